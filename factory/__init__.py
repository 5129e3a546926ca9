"""A chain-of-thought dataset factory: problems in, verified, deduplicated, decontaminated training sets out.

In Python: `import factory as f`, then `f.verify(rows)` and the like (docs/api.md). They are loaded when first used.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(name)
    from importlib import import_module

    api = import_module("factory.api")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"factory has no {name}; it has {', '.join(api.__all__)}")


def __dir__() -> list[str]:
    from importlib import import_module

    return ["__version__", *import_module("factory.api").__all__]
