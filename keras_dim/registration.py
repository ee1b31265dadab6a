"""Has Keras know the classes of this package, without importing Keras.

Keras loads a saved model if the classes in it have been registered, which
importing their modules does. `import keras_dim` alone must be enough for
`keras.models.load_model`, and yet must not import Keras. Hence the modules
are imported right after Keras is, whoever imports it.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

# All that a saved model may hold: what these import is registered, too.
_MODULES = ("keras_dim.methods", "keras_dim.optimizers")


def register_once_keras_is_imported() -> None:
    """Registers now, if Keras has been imported, or else when it is."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Finder())


def _register():
    for name in _MODULES:
        importlib.import_module(name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing of its own, but notices when Keras has been imported.

    Keras may be imported by a module of this package, which others cannot
    import before it is complete. So it waits for the end of the outermost of
    these imports.
    """

    def __init__(self):
        self._depth = 0

    def find_spec(self, name, path=None, target=None):
        """Returns the spec that Python would find, with a loader watched."""
        if name != "keras" and not name.startswith("keras_dim."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._watched(spec.loader.exec_module)
        return spec

    def _watched(self, exec_module):
        def watched(module):
            self._depth += 1
            try:
                exec_module(module)
            finally:
                self._depth -= 1
            if not self._depth and "keras" in sys.modules:
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    _register()

        return watched
