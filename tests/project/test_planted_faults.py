"""The lists of planted faults are what their harnesses can plant: each text is in its file, once, and each test that is named is there."""
import json
from pathlib import Path

import pytest
from mutation.likeness import Likeness
from mutation.run import LIKELY, NOTICED, Results, Runner
from mutation.tree import CODE, Tree, read_faults

TESTS = Path(__file__).parents[1]
SPEAK = {"minimize.flat-not-looked-for": "minimizer/test_minimize.py::test_ending_on_a_flat_is_no_success",
         "profile.beyond-bound": "confidence/test_profiles.py::test_limits_beyond_a_bound"}
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


class Plain:
    """A copy without faults, in which two tests are there and none fails."""

    folder = TESTS.parent

    def collect(self, arguments):
        """Return the tests of a suite."""
        return ["project/test_some.py::test_here", "project/test_some.py::test_each[1]"]


def test_tests_that_are_gone_are_not_asked(tmp_path):
    """What noticed a fault once may have been renamed: pytest ends with an error then, which is no crash of the fault's."""
    fault, other = read_faults(TESTS / LISTS[0])[0][:2]
    results = Results(tmp_path / "results")
    for each, test in ((fault, "test_some.py::test_here"), (other, "test_some.py::test_each[2]"), (other, "test_gone.py::test_here")):
        results.add(each, "killed", f"project/{test}")
    runner = Runner(None, Plain(), {}, results)
    assert runner.existing(results.noticing([fault, other])) == ["project/test_some.py::test_here"]
    assert runner.existing(["project/test_some.py::test_each[1]"]) == ["project/test_some.py::test_each[1]"]


def test_tests_that_speak_of_a_fault():
    """What users would see is said in other words by the test of it, and the rare ones tell."""
    faults = {fault.label: fault for fault in read_faults(TESTS / LISTS[0])[0]}
    likeness = Likeness(TESTS)
    for label, test in SPEAK.items():
        nearest = likeness.nearest(faults[label])
        assert test in nearest[:LIKELY]
        assert len(set(nearest)) == len(nearest) > 1000


def test_order_of_suspects(tmp_path):
    """Of tests that fail with faults planted together, those that speak of a fault are likely to be its doing; each is the doing of one."""
    faults, asked = [fault for fault in read_faults(TESTS / LISTS[0])[0] if fault.label in SPEAK], []

    class Asked(Runner):
        def noticed(self, fault, tests):
            asked.append(tests)
            self.results.add(fault, "killed", tests[0])
            return True

    runner = Asked(None, Plain(), {}, Results(tmp_path / "results"))
    assert runner.guilty(faults, sorted(SPEAK.values())) == faults
    assert [tests[0] for tests in asked] == [SPEAK[fault.label] for fault in faults]
    asked.clear()
    runner.guilty([faults[0], faults[0]], sorted(SPEAK.values()))
    assert asked[1] == asked[0][1:] + asked[0][:1]


def test_what_noticed_a_fault_long_ago_is_asked_first(tmp_path):
    """What is kept stands where nothing is known of this run's; each that is kept is of a fault in the list."""
    faults = read_faults(TESTS / LISTS[0])[0]
    assert set(json.loads(NOTICED.read_text(encoding="utf-8"))) <= {fault.label for fault in faults}
    results = Results(tmp_path / "results", {faults[0].label: "a::old", faults[1].label: "b::old"})
    results.add(faults[1], "killed", "b::new")
    assert [results.noticing([fault]) for fault in faults[:3]] == [["a::old"], ["b::new"], []]
