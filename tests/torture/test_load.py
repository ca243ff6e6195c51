"""Disks that are full, files that end early or change, memory and files that may not grow: nothing is lost, and it is said."""
import errno
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from gslfit import BatchResult, fit, fit_batch
from gslfit.data.writing import whole
from gslfit.errors import FitWarning, InputError
from gslfit.models import GaussianModel
from gslfit.models.files import load_modelresult, save_modelresult

X = np.linspace(0, 5, 40)
START = {"A": 2.0, "tau": 1.4}
TEXT = "A*exp(-x/tau)"
ROWS = 2.5*np.exp(-X/np.linspace(1, 2, 200)[:, None])
PRELUDE = """
import os, resource, sys, numpy as np
from gslfit import fit_batch
x = np.linspace(0, 5, 40)
def go(y, **options):
    return fit_batch("A*exp(-x/tau)", y, x=x, A=2.0, tau=1.4, **options)
"""


def run(code, *arguments, **options):
    """Run code in a process of its own; return what it was: exit status, output and what it said."""
    return subprocess.run([sys.executable, "-c", PRELUDE + textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True,
                          **options)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of a megabyte."""
    place = tmp_path/"disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("needs root, to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(("name", "taken"), [("out", 980_000), ("out", 600_000), ("out.zarr", 980_000)])
def test_full_disk(name, taken, small_disk, tmp_path):
    """A batch that finds no place on the disk ends in an OSError; with place it goes on, to the bits of one that was not stopped.

    Files of 1.6 MB begin in what 600 kB leave, and a write through a map into what isn't there would end the process.
    """
    if name.endswith("zarr"):
        pytest.importorskip("zarr")
    filling = small_disk/"filling"
    filling.write_bytes(bytes(taken))
    np.save(tmp_path/"y.npy", np.tile(ROWS, (100, 1)))
    done = run("""
        y = np.load(sys.argv[1])
        try:
            go(y, out=sys.argv[2], covar=True)
        except OSError as error:
            print(error.errno)
        """, tmp_path/"y.npy", small_disk/name)
    assert (done.returncode, done.stdout) == (0, f"{errno.ENOSPC}\n"), done
    filling.write_bytes(b"")
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    done = run("""
        y = np.load(sys.argv[1])
        found, wanted = go(y, out=sys.argv[2], covar=True, resume=True), go(y, covar=True)
        for name, array in wanted.to_dict().items():
            np.testing.assert_array_equal(found.to_dict()[name][...], array)
        """, tmp_path/"y.npy", small_disk/name)
    assert done.returncode == 0, done.stderr


def test_files_are_written_whole_or_not_at_all(small_disk):
    """What a full disk refuses leaves the file that was there before."""
    batch = fit_batch(TEXT, ROWS[:2], x=X, **START)
    result = GaussianModel().fit(np.exp(-(X - 2)**2), x=X)
    batch.save(small_disk/"batch.npz")
    save_modelresult(result, small_disk/"result.json")
    (small_disk/"filling").write_bytes(bytes(1_000_000 - 40_000 - 4096*((small_disk/"result.json").stat().st_size//4096)))
    large = fit_batch(TEXT, np.tile(ROWS, (20, 1)), x=X, **START)
    longer = GaussianModel().fit(np.exp(-(np.linspace(0, 5, 9000) - 2)**2), x=np.linspace(0, 5, 9000))
    for save in (lambda: large.save(small_disk/"batch.npz"), lambda: save_modelresult(longer, small_disk/"result.json")):
        with pytest.raises(OSError, match="No space left"):
            save()
    assert BatchResult.load(small_disk/"batch.npz").status.shape == (2,)
    assert load_modelresult(small_disk/"result.json").ndata == X.size
    assert sorted(path.name for path in small_disk.iterdir()) == ["batch.npz", "filling", "result.json"]


def test_what_is_no_file_is_written_to(tmp_path):
    """A device stays one, a link leads where it led, and rights are kept."""
    with pytest.raises(OSError, match="No space left"), whole("/dev/full") as stream:
        stream.write("a")
    target, link = tmp_path/"target", tmp_path/"link"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    with whole(link) as stream:
        stream.write("after")
    assert (target.read_text(), link.is_symlink(), target.stat().st_mode & 0o777) == ("after", True, 0o640)
    with pytest.raises(TypeError), whole(target) as stream:
        stream.write(b"lost")
    assert [target.read_text(), *sorted(path.name for path in tmp_path.iterdir())] == ["after", "link", "target"]


@pytest.mark.parametrize("offset", [0, 3*4096 + 8])
def test_a_map_whose_file_was_cut(offset, tmp_path):
    """Rows beyond the end of the file are told: to read them would end the process."""
    with open(tmp_path/"y", "wb") as file:
        file.write(bytes(offset))
        np.tile(ROWS, (50, 1)).tofile(file)
    y = np.memmap(tmp_path/"y", mode="r", offset=offset, shape=(10_000, 40), dtype=float)
    line = np.memmap(tmp_path/"y", mode="r", offset=offset, shape=(400_000,), dtype=float)
    os.truncate(tmp_path/"y", offset + 500_000)
    for call in (lambda: fit_batch(TEXT, y, x=X, **START), lambda: fit("A*exp(-x/tau)", line, x=np.arange(400_000), **START),
                 lambda: fit_batch(TEXT, ROWS, x=X, yerr=y[:200], **START)):
        with pytest.raises(InputError, match="become shorter"):
            call()


def test_a_file_that_changes(tmp_path):
    """Data that are written to while they are read are a warning: some fits may be of other data."""
    np.save(tmp_path/"y.npy", np.tile(ROWS, (500, 1)))
    y = np.load(tmp_path/"y.npy", mmap_mode="r")

    def change(done):
        if done:
            os.utime(tmp_path/"y.npy", ns=(1, 1))
    with pytest.warns(FitWarning, match="was written to while it was read"):
        fit_batch(TEXT, y, x=X, progress=change, **START)


def test_a_file_that_may_not_grow(tmp_path):
    """The limit of the size of files is an OSError before a fit is lost."""
    np.save(tmp_path/"y.npy", np.tile(ROWS, (100, 1)))
    done = run("""
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            go(np.load(sys.argv[1]), out=sys.argv[2])
        except OSError as error:
            print(error.errno)
        """, tmp_path/"y.npy", tmp_path/"out")
    assert (done.returncode, done.stdout) == (0, f"{errno.EFBIG}\n"), done


def test_two_processes_write_to_one_place(tmp_path):
    """A second batch is refused while the first's results are there, and destroys none of them."""
    np.save(tmp_path/"y.npy", np.tile(ROWS, (20, 1)))
    code = """
        try:
            print(int(go(np.load(sys.argv[1]), out=sys.argv[2]).success[...].sum()))
        except Exception as error:
            print(type(error).__name__)
        """
    found = [None, None]

    def one(number):
        found[number] = run(code, tmp_path/"y.npy", tmp_path/"out").stdout.strip()
    crew = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(found) in (["4000", "InputError"], ["4000", "4000"]), found
    wanted = fit_batch(TEXT, np.tile(ROWS, (20, 1)), x=X, **START)
    np.testing.assert_array_equal(np.load(tmp_path/"out"/"tau.npy"), wanted.values["tau"])


def test_no_threads(tmp_path):
    """Where no thread can be started the caller's does the work."""
    if not os.geteuid():
        pytest.skip("root has no limit of processes")
    done = run("""
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        print(int(go(np.ones((1000, 40)), threads=4).status.size))
        """)
    assert (done.returncode, done.stdout) == (0, "1000\n"), done


LIMITED = """
limit = {limit}
y = np.load(sys.argv[1], mmap_mode="r")
wanted = go(y[:100])
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    found = go(y{options})
    print("done", int(found.success[...].sum()))
except MemoryError as error:
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert (go(y[:100]).values["tau"] == wanted.values["tau"]).all()
"""


@pytest.mark.slow
@pytest.mark.parametrize("beyond", [20, 150, 1500])
@pytest.mark.parametrize("options", ["", ", threads=4", ", out=sys.argv[2]"])
def test_a_million_rows_under_pressure(beyond, options, tmp_path):
    """A million fits with so many megabytes to spare: all of them, or a MemoryError, and the next batch is right."""
    y = np.lib.format.open_memmap(tmp_path/"y.npy", "w+", np.float32, (1_000_000, 40))
    y[:] = 2*np.exp(-X/1.5, dtype=np.float32)
    del y
    size = 1_000_000*40*4
    limit = f"int(open('/proc/self/statm').read().split()[0])*resource.getpagesize() + {beyond}*2**20"
    done = run(LIMITED.format(limit=limit, options=options), tmp_path/"y.npy", tmp_path/"out")
    assert done.returncode == 0, (size, done.stdout, done.stderr[-2000:])
    assert done.stdout in ("done 1000000\n", "MemoryError\n")
    assert beyond < 1000 or done.stdout.startswith("done")


@pytest.mark.slow
def test_two_processes_at_once(tmp_path):
    """Two processes fit at the same time, by all threads: to the bits of one that is alone."""
    code = """
        rows = 2.5*np.exp(-x/np.linspace(1, 2, 200_000)[:, None]) + 0.01*np.cos(9*x)
        found = go(rows, threads=2)
        print(found.values["tau"].tobytes().hex()[:4000], found.chisqr.sum())
        """
    alone = run(code).stdout
    crew = [subprocess.Popen([sys.executable, "-c", PRELUDE + textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert alone
    assert [process.communicate()[0] for process in crew] == [alone, alone]
