"""A package's public names are those that it imports."""

import sys
import types

from keras_dim import evaluation
from keras_dim import public


def test_modules_and_private_names_are_not_public(monkeypatch):
    package = types.ModuleType("package")
    vars(package).update(b=1, a=len, _c=2, sys=sys)
    monkeypatch.setitem(sys.modules, "package", package)

    assert public.names("package") == ["a", "b"]


def test_a_package_lists_what_it_imports():
    assert {"PROBES", "extract", "OnlineProbe"} <= set(evaluation.__all__)
    assert not {"probes", "public"} & set(evaluation.__all__)
