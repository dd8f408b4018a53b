"""A catalogue at the end of a command's help: what there is to choose from."""

from medclean.catalog import Catalog


def listed(catalog: Catalog, after: str) -> str:
    """Each name with its summary, one a line, before another text.

    Args:
        catalog: Its kind is the heading.
        after: What ends the help.
    """
    wide = max(map(len, catalog)) + 2
    lines = (f"  {name:{wide}}{catalog.entry(name).summary}" for name in catalog)
    return "\n".join(["\b", f"{catalog.kind.capitalize()}s:", *lines, "", after])
