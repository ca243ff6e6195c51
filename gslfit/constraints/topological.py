"""The order in which things that depend on each other are evaluated."""
from collections.abc import Callable, Iterable

from gslfit.errors import ExpressionError


def order(names: Iterable[str], needs: Callable[[str], Iterable[str]]) -> list[str]:
    """Return `names`, and all that they need, each after what it needs itself.

    Parameters
    ----------
    names : iterable of str
        What is wanted; the order given is kept where dependency allows.
    needs : callable
        Gives the names that a name needs.

    Raises
    ------
    ExpressionError
        If a name needs itself, by however many others; the message shows the way round.

    Examples
    --------
    >>> order(["area", "width"], {"area": ["width"], "width": []}.__getitem__)
    ['width', 'area']
    """
    done: dict[str, None] = {}
    for root in names:
        if root in done:
            continue
        path = {root: None}                                   # a stack of our own: chains may be thousands long
        pending = [iter(list(needs(root)))]
        while pending:
            name = next(pending[-1], None)
            if name is None:
                pending.pop()
                done[path.popitem()[0]] = None
            elif name in path:
                way = [*path][[*path].index(name):]
                raise ExpressionError(f"the expressions go round in a circle: {' -> '.join([*way, name])}", name)
            elif name not in done:
                path[name] = None
                pending.append(iter(list(needs(name))))
    return [*done]
