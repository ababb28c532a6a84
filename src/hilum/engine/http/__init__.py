"""Has jobs run by a platform that offers the platform API, docs/platform-api.yaml.

``answers`` says what the platform's answers mean; ``platform`` asks; ``record`` is what is written down about an
attempt in the job's folder; ``engine`` puts them together.
"""

from hilum.engine.http.engine import Files, HttpEngine
from hilum.engine.http.platform import Platform

__all__ = ["Files", "HttpEngine", "Platform"]
