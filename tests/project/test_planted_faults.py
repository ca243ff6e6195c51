"""The lists of planted faults are what their harnesses can plant: each text is in its file, once, and each test that is named is there."""
from pathlib import Path

import pytest
from mutation.run import Results
from mutation.tree import CODE, Tree, read_faults

TESTS = Path(__file__).parents[1]
LISTS = ["mutation/faults.toml", "torture/plants.toml"]


@pytest.fixture(scope="module")
def texts():
    """Read each file of src/ and gslfit/."""
    return {path: path.read_text(encoding="utf-8") for path in Tree(TESTS.parent, "").files()}


def test_no_list_is_forgotten():
    """The lists above are all that there are, and each is read: a list that is not TOML raises here."""
    assert sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("*.toml")) == LISTS
    for name in LISTS:
        assert read_faults(TESTS / name)[0]


@pytest.mark.parametrize("name", LISTS)
def test_each_text_is_there_once(name, texts):
    """Where it is not, its fault can't be planted; in another file than it was chosen for it may be another fault."""
    wrong = []
    for fault in read_faults(TESTS / name)[0]:
        found = [path.name for path, text in texts.items() for _ in range(text.count(fault.old))]
        if found != [fault.file]:
            wrong.append(f"{fault.label}: {fault.old!r} is not once in {fault.file}, but in {found}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", LISTS)
def test_each_fault_is_one(name):
    """It changes something, and says what a user would see; no two of a list are the same."""
    faults, places = read_faults(TESTS / name)
    assert [fault.label for fault in faults if fault.old == fault.new or not fault.seen or Path(fault.file).suffix not in CODE] == []
    assert len({(fault.old, fault.new) for fault in faults}) == len(faults)
    assert {fault.area for fault in faults} == set(places)


def test_places():
    """The tests of each area, and the harnesses of the torture."""
    tree = Tree(TESTS.parent, "")
    for names in read_faults(TESTS / "mutation/faults.toml")[1].values():
        assert len(tree.tests(names)) == len(names)
    for script, *_ in read_faults(TESTS / "torture/plants.toml")[1].values():
        assert script == "-m" or (TESTS / "torture" / script).is_file()


def test_which_faults_are_run_next(tmp_path):
    """Those that were never run, then those whose last run is longest ago, also by what a run before wrote down."""
    faults = read_faults(TESTS / LISTS[0])[0][:4]
    results = Results(tmp_path / "results")
    for place in (0, 1, 3, 0):
        results.add(faults[place], "killed")
    for known in (results, Results(tmp_path / "results")):
        assert known.oldest(faults, 3) == [faults[2], faults[1], faults[3]]
