"""Second ways to write a key, so that no file that the spec allows is refused; everything else sees only the first."""

from __future__ import annotations

from typing import Any

from hilum.config.places import Finding, KeyPath, Places

#: From the root of the file: other spelling -> the spelling that the settings have.
SECTIONS: dict[KeyPath, tuple[str]] = {
    ("dicom", "workflows"): ("workflows",),
    ("dicom", "storage"): ("storage",),
}
#: Within an entry of ``workflows``, likewise.
DESTINATION = "destination"
DESTINATION_NAME = "destination-name"


def respell(tree: dict[str, Any], places: Places) -> list[Finding]:
    """Move every value that was written under its other spelling; ``tree`` and ``places`` change.

    Returns:
        What was written in both ways at once.
    """
    findings: list[Finding] = []
    dicom = tree.get("dicom")
    if isinstance(dicom, dict):
        for other, proper in SECTIONS.items():
            if other[-1] not in dicom:
                continue
            (name,) = proper
            if name in tree:
                message = f"{name} stands already at the top level, at {places.where(proper)}; keep one of the two"
                findings.append(places.finding(other, message, at_key=True))
                del dicom[other[-1]]
                continue
            tree[name] = dicom.pop(other[-1])
            places.respelled[proper] = other
    workflows = tree.get("workflows")
    for index, workflow in enumerate(workflows if isinstance(workflows, list) else ()):
        if isinstance(workflow, dict) and DESTINATION in workflow:
            findings += _respell_destination(workflow, ("workflows", index), places)
    return findings


def _respell_destination(workflow: dict[str, Any], path: KeyPath, places: Places) -> list[Finding]:
    other = workflow.pop(DESTINATION)
    if DESTINATION_NAME not in workflow:
        workflow[DESTINATION_NAME] = other
        places.respelled[*path, DESTINATION_NAME] = (*places.written(path), DESTINATION)
        return []
    if workflow[DESTINATION_NAME] == other:
        return []
    message = "destination-name of this workflow says something else; keep one of the two, they mean the same"
    return [places.finding((*path, DESTINATION), message)]


def proper(path: KeyPath) -> KeyPath:
    """The path that the settings have for a path in any spelling."""
    for other, spelled in SECTIONS.items():
        if path[: len(other)] == other:
            path = spelled + path[len(other) :]
    if path[:1] == ("workflows",) and path[2:3] == (DESTINATION,):
        path = (*path[:2], DESTINATION_NAME, *path[3:])
    return path
