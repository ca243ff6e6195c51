"""``python -m gslfit``: the command."""
from gslfit.cli import main

if __name__ == "__main__":
    main()
