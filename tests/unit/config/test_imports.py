from __future__ import annotations

import subprocess
import sys


def test_importing_the_configuration_is_cheap() -> None:
    """Commands that read no file, such as ``hilum --help``, must not wait for libraries that they do not use."""
    program = (
        "import sys, hilum.config; print([name for name in ('pydicom', 'ruamel.yaml', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
