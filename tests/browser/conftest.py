"""The gate project of the in-process tests, and a browser to look at its report."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pytester.conftest import gates, refused, registry_template

__all__ = ["gates", "refused", "registry_template"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a Chromium; without one these tests are skipped."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed")
    return found


@pytest.fixture
def rendered(browser: str, tmp_path: Path) -> Callable[[Path], str]:
    """Open a page as a person would, and return the DOM after its scripts ran."""

    def render(page: Path) -> str:
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=3000",
            "--dump-dom",
            page.as_uri(),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout

    return render
