"""Every public object can be sent to another process, forked or spawned, and is the same there."""
import multiprocessing
import pickle
import warnings

import numpy as np
import pytest
from instances import ROWS, START, TEXT, X, Y, decay, described, instances_of, public_classes, run, seen

import gslfit
from gslfit.multifit import FdfSolver, LargeSolver, NonlinearSolver

CLASSES = public_classes()
SOLVERS = {FdfSolver: ("lmsder", 40, 3), NonlinearSolver: (40, 3), LargeSolver: (40, 3)}       # these can't be sent
SENT = {name: cls for name, cls in CLASSES.items() if cls not in SOLVERS}


@pytest.fixture(scope="module")
def instances():
    """Return instances of every class that can be sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: instances_of(cls) for name, cls in SENT.items()}


@pytest.mark.parametrize("name", SENT)
def test_in_this_process(name, instances):
    """What comes out of a pickle is of the same class and says the same of itself, to the last bit, whatever the protocol."""
    assert any(isinstance(each, SENT[name]) for each in instances[name])
    for each in instances[name]:
        told = described(each)
        for protocol in (2, pickle.HIGHEST_PROTOCOL):
            again = pickle.loads(pickle.dumps(each, protocol))
            assert type(again) is type(each)
            assert described(again) == told


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_in_another_process(start, instances):
    """A process that was forked, or begun anew, sees the same, and what it sends back is the same again."""
    told, pickled = {name: [described(each) for each in made] for name, made in instances.items()}, pickle.dumps(instances)
    with multiprocessing.get_context(start).Pool(1) as pool:
        there, back = pool.apply_async(seen, (pickled,)).get(60)
    again = pickle.loads(back)
    for name, wanted in told.items():
        assert there[name] == wanted, name
        assert [described(each) for each in again[name]] == wanted, name


@pytest.mark.parametrize("cls", SOLVERS)
def test_what_works_in_memory_of_gsl(cls):
    """A solver says in one line that it can't be sent, and what can."""
    with pytest.raises(TypeError, match="can't be pickled, since it works in memory of GSL's: pickle its function and its x"):
        pickle.dumps(cls(*SOLVERS[cls]))


KINDS = ("fit", "called", "model", "solver", "batch")


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_fits_in_processes(start):
    """Fits in processes, after fits in threads of this one, give this one's results."""
    wanted = [described(run(kind)) for kind in KINDS]
    with multiprocessing.get_context(start).Pool(2) as pool:
        found = pool.map_async(run, KINDS).get(60)
    assert [described(each) for each in found] == wanted


def test_joblib():
    """A model is fitted by joblib's processes, and a function of this module too."""
    joblib = pytest.importorskip("joblib")
    model, rows = gslfit.Model(decay), ROWS[:2]
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(model.fit)(y, x=X, **START) for y in rows)
    for y, each in zip(rows, found, strict=True):
        assert described(each) == described(model.fit(y, x=X, **START))


def test_without_data():
    """keep_data=False leaves the data out of a result's pickle: as large as its arrays, which are the same."""
    rows = np.tile(Y, (2000, 1))*np.linspace(1, 2, 2000)[:, None]
    whole, lean = (gslfit.fit_batch(TEXT, rows, x=X, keep_data=keep, **START) for keep in (True, False))
    size = len(pickle.dumps(lean))
    assert len(pickle.dumps(whole)) > rows.nbytes
    assert size < 1.1*sum(array.nbytes for array in lean.to_dict().values()) + 5000
    again = pickle.loads(pickle.dumps(lean))
    assert described(again.to_dict()) == described(whole.to_dict()) == described(lean.to_dict())
    one, full = again[7], whole[7]
    assert one.residual.size == 0
    for name in ("ndata", "nfree", "chisqr", "redchi", "cost", "aic", "bic"):
        assert getattr(one, name) == pytest.approx(getattr(full, name), rel=1e-12)
    assert one.fit_report().splitlines()[3:8] == full.fit_report().splitlines()[3:8]
    assert described(pickle.loads(pickle.dumps(one))) == described(one)
