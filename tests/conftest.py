"""Every test runs against the installed package."""
import gslfit


def pytest_report_header():
    """Say which gslfit is under test."""
    return f"gslfit {gslfit.__version__} from {gslfit.__path__[0]}"
