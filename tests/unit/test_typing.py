from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

USERS_CODE = Path(__file__).parents[1] / "typing" / "api.py"

# The libraries' own code is not what is checked, and takes a minute to read.
SETTINGS = """
[mypy]
strict = true
[mypy-pytest_agentgate.*]
follow_imports = silent
[mypy-mlflow.*,pandas.*,numpy.*,pydantic.*,tqdm.*,filelock.*]
follow_imports = skip
"""


@pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="needs mypy (group lint)"
)
@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        pytest.param("", None, id="as-written"),
        pytest.param(
            "\n\nwrong: int = response_text('x')\n",
            'Incompatible types in assignment (expression has type "str", '
            'variable has type "int")',
            id="with-a-mistake",
        ),
    ],
)
def test_users_code_type_checks(tmp_path, code, complaint):
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "api.py").write_text(USERS_CODE.read_text(encoding="utf-8") + code)
    # mypy reads the mypy.ini beside the code. One cache for both checks, so that the
    # second is quick.
    cache = tmp_path.parent / "mypy_cache"

    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={cache}", "api.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    if complaint is None:
        assert (done.stdout, done.returncode) == (
            "Success: no issues found in 1 source file\n",
            0,
        )
    else:
        assert complaint in done.stdout
        assert "Found 1 error in 1 file" in done.stdout
