"""Runs a command per job on a Ray cluster, by the Ray Jobs REST API; nothing of Ray is imported.

``policy`` says what is asked of Ray and what its answers mean; ``cluster`` asks; ``records`` is what is written down
about an attempt in the job's folder; ``engine`` puts them together.
"""

from hilum.engine.ray.cluster import Cluster
from hilum.engine.ray.engine import RayEngine
from hilum.engine.ray.policy import Limits, Wanted

__all__ = ["Cluster", "Limits", "RayEngine", "Wanted"]
