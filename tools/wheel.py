"""Build the SDK's wheel: ``python tools/wheel.py``, into ``dist/``. The same commit gives the same bytes everywhere.

``--check`` builds it twice, in two directories, time zones and umasks, compares the bytes, looks at what is inside,
installs it with nothing but what it needs into a fresh environment, and uses it there. ``--python`` names interpreters
for that, beside this one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SDK = ROOT / "sdk"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc", "build", "dist")
NEEDED = ("xerpium_sdk/py.typed", "xerpium_sdk/registry/_sync/client.py", "xerpium_sdk/wire/examples/service.json")
USE = """
import importlib.util, sys
missing = ["fastapi", "starlette", "redis", "orjson", "jwt", "django", "psutil"]
assert not [name for name in missing if importlib.util.find_spec(name)], "an extra came along"
import xerpium_sdk
from xerpium_sdk import CallError, CircuitBreaker, Manifest, MenuItem, ServiceClient, ServiceRegistry, XerpiumService
from xerpium_sdk.registry import Catalog, Member, Registration
from xerpium_sdk.testing import TestHub
for name, extra in {"EventPublisher": "redis", "verify_service_auth": "fastapi"}.items():
    try:
        getattr(xerpium_sdk, name)
    except ImportError as error:
        assert f"xerpium-sdk[{extra}]" in str(error), error
    else:
        raise AssertionError(f"{name} works without {extra}")
with TestHub() as hub:
    service = XerpiumService("orders", "1.0.0", hub_url=hub.url, host="127.0.0.1", port=8102)
    service.menu("Orders", "/orders", "receipt")
    service.start()
    hub.wait_for(lambda: "orders" in hub.services and "orders" in hub.manifests)
    assert service.stop(timeout=5)
    assert hub.services == {}
print(xerpium_sdk.__version__, "on Python", sys.version.split()[0])
"""


def main() -> int:
    """Build, or build and check, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python tools/wheel.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="build it twice, look inside, install and use it")
    parser.add_argument("--python", nargs="*", default=[], metavar="PROGRAM", help="interpreters to use it with, too")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where it goes (default: dist)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wheel = build(options.out)
    digest = sha256(wheel.read_bytes()).hexdigest()
    print(f"{wheel.name}  {wheel.stat().st_size // 1024} KiB  sha256 {digest}")
    if options.check:
        check(wheel, [sys.executable, *options.python])
    return 0


def build(out: Path) -> Path:
    """Build the wheel from a copy of the SDK, which has no leavings of other builds, into ``out``; return its path."""
    with tempfile.TemporaryDirectory(prefix="wheel") as directory:
        source = Path(directory) / "sdk"
        shutil.copytree(SDK, source, ignore=LEFT_OUT, copy_function=shutil.copyfile)
        for path in source.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        # No isolation: what builds it is what requirements.txt pins, or its name would be another one tomorrow.
        command += ["--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(Path(directory) / "out"), str(source)]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch()), "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(command, env=environment, check=True, umask=0o022)
        (built,) = (Path(directory) / "out").glob("*.whl")
        return Path(shutil.copyfile(built, out / built.name))


def epoch() -> int:
    """Return the time of the last commit that changed the SDK; ``SOURCE_DATE_EPOCH`` says another one.

    Raises:
        SystemExit: this is no clone, and nobody says.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "log", "-1", "--format=%ct", "--", "sdk"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    if not said:
        raise SystemExit("This is no clone: SOURCE_DATE_EPOCH has to say of when the wheel is.")
    return int(said)


def check(wheel: Path, programs: list[str]) -> None:
    """Look at a wheel from all sides.

    Raises:
        SystemExit: something is not as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="again") as directory:
        os.environ["TZ"] = "Pacific/Apia"
        before = os.umask(0o077)
        again = build(Path(directory))
        os.umask(before)
        if again.read_bytes() != wheel.read_bytes():
            raise SystemExit(f"Built again it is another one: {', '.join(differences(wheel, again)) or 'the archive'}.")
    print("  built twice, the same bytes")
    names = zipfile.ZipFile(wheel).namelist()
    unwanted = [name for name in names if "test_" in name or "/tests/" in name or name.endswith((".pyc", ".orig"))]
    strangers = [name for name in names if not name.startswith(("xerpium_sdk/", "xerpium_sdk-"))]
    missing = [name for name in NEEDED if name not in names]
    missing += [name for name in modules() if name not in names]
    for what, found in {"has no place in it": unwanted + strangers, "is missing": missing}.items():
        if found:
            raise SystemExit(f"{', '.join(found)} {what}.")
    print(f"  {len(names)} files, none of them a test, none missing")
    for program in programs:
        print(f"  installed with what it needs and used: {installed(wheel, program)}")


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the files that are not the same in two wheels."""
    first, second = zipfile.ZipFile(one), zipfile.ZipFile(other)
    names = sorted({*first.namelist(), *second.namelist()})
    shared = {*first.namelist()} & {*second.namelist()}
    return [name for name in names if name not in shared or first.read(name) != second.read(name)]


def modules() -> list[str]:
    """Return every module of the SDK as a wheel names it."""
    return [path.relative_to(SDK / "src").as_posix() for path in (SDK / "src").rglob("*.py")]


def installed(wheel: Path, program: str) -> str:
    """Install a wheel into a fresh environment and use it there; return which version of what it was.

    Raises:
        SystemExit: it cannot be installed, or does not work.
    """
    with tempfile.TemporaryDirectory(prefix="fresh") as directory:
        subprocess.run([program, "-m", "venv", directory], check=True)
        fresh = Path(directory) / "bin/python"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("XERPIUM_", "PYTHON"))}
        install = [str(fresh), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
        subprocess.run(install, env=clean, check=True)
        for command in ([str(fresh), "-W", "error", "-c", USE], [str(fresh.with_name("xerpium")), "--help"]):
            done = subprocess.run(command, cwd=directory, env=clean, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"It does not work with {program}:\n{done.stdout}{done.stderr}")
            if "-c" in command:
                said = done.stdout.strip()
        return said


if __name__ == "__main__":
    sys.exit(main())
