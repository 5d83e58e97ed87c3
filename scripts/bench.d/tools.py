"""What a measurement needs: rowmill's release build, sample data, the peers, and a place to keep figures."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
BENCH = TARGET / "bench"
ROWMILL = TARGET / "release/rowmill"
VENV = BENCH / "venv"
PYTHON = VENV / "bin/python"
HERE = pathlib.Path(__file__).resolve().parent
# Whether what is missing may be installed.
may_install = True


def say(text):
    """To whoever watches."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def build():
    """rowmill, optimised."""
    say("building rowmill (release)")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "rowmill"], cwd=REPOSITORY, check=True)


def orders(size):
    """A file of orders of that size, made once."""
    file = BENCH / f"orders-{size}.csv"
    if not file.exists():
        say(f"making {size} of orders")
        BENCH.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as out:
            subprocess.run([ROWMILL, "sample", size], stdout=out, check=True)
        partial.rename(file)
    return file


def crate(name, binary, *flags):
    """A program from crates.io, installed once. None where that fails."""
    found = shutil.which(binary) or shutil.which(binary, path=str(BENCH / name / "bin"))
    if found is None and may_install:
        say(f"installing {name} with cargo (once; this takes a while)")
        command = ["cargo", "install", name, "--locked", "--quiet", "--root", BENCH / name, *flags]
        if subprocess.run(command, check=False).returncode != 0:
            say(f"{name} cannot be installed here")
        found = shutil.which(binary, path=str(BENCH / name / "bin"))
    return found


def package(*names):
    """Whether these Python packages are in the bench's own environment, where they are put when missing."""
    if not PYTHON.exists() and may_install:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if may_install and version(names[0]) is None:
        say(f"installing {' and '.join(names)} with pip (once)")
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *names], check=False)
    return all(version(name) for name in names)


def version(name):
    """The version of a Python package of the bench's environment. None where it is missing."""
    if not PYTHON.exists():
        return None
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    asked = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def first_line(*command):
    """What a program says first."""
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).strip().split("\n")[0]


def machine():
    """Where and when, and what else the machine was doing."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        models = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return {
        "date": datetime.date.today().isoformat(),
        "commit": first_line("git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"),
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
    }


def keep(name, figures):
    """Figures of one section, for the page."""
    BENCH.mkdir(parents=True, exist_ok=True)
    (BENCH / f"{name}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def kept():
    """The figures of every section that was measured."""
    names = ["profile", "pipeline", "commands", "messages", "build"]
    files = {name: BENCH / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}
