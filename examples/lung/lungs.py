"""Finds the lungs by their density. Put your own model into ``find_lungs``."""

import numpy as np
from scipy import ndimage

BODY_ABOVE = -300  # HU
AIR_BELOW = -400  # HU: lung and air, but neither fat nor vessels
AIRWAY_BELOW = -945  # HU: pure air, thinner than any healthy lung
VESSEL_MM = 9.0  # vessels up to about this wide count as lung
LEAST_ML = 200.0

Spacing = tuple[float, float, float]


def find_lungs(volume: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Label both lungs of a chest CT; vessels within a lung belong to it, the windpipe does not.

    Args:
        volume: Hounsfield units; axes slice (feet to head), row, column (right to left).
        spacing: Distance of neighbours along each axis, mm.

    Returns:
        0 neither, 1 right lung, 2 left lung; of the same shape as ``volume``.

    Raises:
        ValueError: There are no two lungs to be seen.
    """
    # Everything is found on a grid of about 2 mm, then its surface is placed on the full one.
    step = max(1, int(2 / spacing[2]))
    rows, columns = (size // step * step for size in volume.shape[1:])
    blocks = volume[:, :rows, :columns].reshape(len(volume), rows // step, step, columns // step, step)
    coarse, grid = blocks.mean(axis=(2, 4), dtype=np.float32), (spacing[0], spacing[1] * step, spacing[2] * step)

    air = inside_body(coarse) & (coarse < AIR_BELOW)
    halves = split(air & ~airways(air, coarse), np.prod(grid) / 1000)
    window = [2 * round(VESSEL_MM / size / 2) + 1 for size in grid]
    found = np.zeros_like(halves)
    for label in (1, 2):
        mask = ndimage.uniform_filter((halves == label).astype(np.float32), window) > 0.5
        mask = np.stack([ndimage.binary_fill_holes(plane) for plane in mask | (halves == label)])
        found[mask & (found == 0)] = label

    core = np.where(ndimage.minimum_filter(found, (1, 3, 3)) > 0, found, 0)
    labels = np.zeros(volume.shape, np.uint8)
    inner, outer = (m.repeat(step, 1).repeat(step, 2) for m in (core, ndimage.maximum_filter(found, (1, 3, 3))))
    labels[:, :rows, :columns] = np.where(volume[:, :rows, :columns] < AIR_BELOW, outer, inner)
    return labels


def inside_body(volume: np.ndarray) -> np.ndarray:
    """The body with everything in it, without the room, the table and what is thin."""
    body = ndimage.binary_opening(volume > BODY_ABOVE, np.ones((1, 5, 5)))
    parts, number = ndimage.label(body)
    if number == 0:
        raise ValueError("nothing but air was found, is this a CT of a patient?")
    body = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


def airways(air: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """The windpipe and the bronchi, walls included: the pure air that reaches the topmost slices."""
    parts, _ = ndimage.label(air & (volume < AIRWAY_BELOW))
    top = np.unique(parts[-3:])
    return ndimage.binary_dilation(np.isin(parts, top[top > 0]), iterations=2)


def split(mask: np.ndarray, voxel_ml: float) -> np.ndarray:
    """Part a mask into 1 (smaller columns) and 2; where the lungs touch, the mask is thinned until they part."""
    core = mask
    for _ in range(6):
        parts, number = ndimage.label(core)
        sizes = np.bincount(parts.ravel())[1:]
        if number >= 2 and np.sort(sizes)[-2] * voxel_ml >= LEAST_ML:
            break
        core = ndimage.binary_erosion(core)
    else:
        raise ValueError(f"no two lungs of at least {LEAST_ML:.0f} ml were found, is this a chest CT?")
    both = np.argsort(sizes)[-2:] + 1
    right, left = sorted(both, key=lambda part: np.nonzero(parts == part)[2].mean())
    seeds = np.where(parts == right, 1, np.where(parts == left, 2, 0)).astype(np.uint8)
    if core is mask:
        return seeds
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    grown = seeds[tuple(nearest)]
    touched, _ = ndimage.label(mask)
    return np.where(np.isin(touched, np.unique(touched[seeds > 0])), grown, 0).astype(np.uint8)
