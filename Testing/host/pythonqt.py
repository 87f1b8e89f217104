"""Makes PySide6 behave like PythonQt, the Qt binding inside 3D Slicer, where the panel can tell the difference.

The classes of PySide6 are changed in place, once, so that every Qt object has the new behaviour, also those that
Qt creates itself (a table's header, a layout's items):

- a Qt property is an attribute without parentheses; calling it raises, a read-only one cannot be set;
- an attribute that does not exist can neither be read nor set (a typo raises instead of passing);
- ``object.connect("clicked(bool)", f)`` connects by signature and returns whether there is such a signal;
- a slot is called with as many arguments as it takes;
- constructors take no keyword arguments; enumerators are integers.

Not imitated: tuples and bytes where PySide6's methods give lists and QByteArray, plain integers given to methods
that take an enumerator, ``isinstance(widget, qt.QWidget)`` being False, deleted objects, and protected methods,
which PySide6 shows.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

if "PySide6" in sys.modules:
    raise ImportError("The test host must be imported before PySide6: it chooses how enumerators behave.")
# Enumerators as int subclasses: 1 switches Python enumerations on, 2 makes them IntEnum and IntFlag.
sys.pyside6_option_python_enum = 0x03

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets  # noqa: E402
from shiboken6 import Shiboken  # noqa: E402

_MODULES = (QtCore, QtGui, QtWidgets)
_PYSIDE_ONLY = {"QEnum", "QFlag", "QtMsgType"}
# Read through virtual functions, whose overrides PySide6 looks for as attributes: it would come back to us always.
_VIRTUAL = {"sizeHint", "minimumSizeHint"}
_connect = QtCore.QObject.connect
_disconnect = QtCore.QObject.disconnect
_pyside_set_attribute = (
    Shiboken.Object.__setattr__
)  # the only one CPython lets us call once the others are replaced
_native_classes: set[type] = set()
_connections: dict[int, list[tuple[str, Callable, Any]]] = {}


class QtProperty:
    """Descriptor: on an object the value of a Qt property, on the class whatever PySide6 has under that name."""

    def __init__(self, name: str, meta: QtCore.QMetaProperty, shadowed: object) -> None:
        self._name = name
        self._type = meta.typeName()
        self._is_enum = meta.isEnumType()
        self._writable = meta.isWritable()
        self._shadowed = shadowed

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            if self._shadowed is None:
                raise AttributeError(f"type object '{owner.__name__}' has no attribute '{self._name}'")
            get = getattr(self._shadowed, "__get__", None)
            return get(None, owner) if get else self._shadowed
        if self._name in _VIRTUAL:
            return self._shadowed(instance)
        value = QtCore.QObject.property(instance, self._name)
        if value is None and callable(self._shadowed):  # a type that PySide6 does not put in a variant
            value = self._shadowed(instance)
        return tuple(value) if isinstance(value, list) else value

    def __set__(self, instance: Any, value: Any) -> None:
        if not self._writable:
            raise AttributeError(f"{type(instance).__name__}.{self._name} is read-only")
        if not QtCore.QObject.setProperty(instance, self._name, self._converted(value)):
            raise ValueError(f"{type(instance).__name__}.{self._name} cannot be set to {value!r}")

    def _converted(self, value: Any) -> Any:
        """Convert as PythonQt does, which is lenient: None into a text is 'None', NumPy's scalars are taken."""
        if hasattr(value, "item") and getattr(value, "shape", None) == ():
            value = value.item()
        if self._type == "QString":
            return value if isinstance(value, str) else str(value)
        if self._type == "bool":
            return bool(value)
        if self._is_enum or self._type in ("int", "uint"):
            return int(value)
        if self._type in ("double", "float"):
            return float(value)
        if self._type == "QStringList":
            return [str(item) for item in value]
        return value


def native(cls: type) -> type:
    """Class decorator: treat a class of the host as one of the application's, so that its typos raise too."""
    _native_classes.add(cls)
    _forbid_keyword_arguments(cls)
    return cls


def use_pythonqt_semantics() -> None:
    """Change the classes of PySide6 in place (once per process)."""
    for cls in _classes():
        _native_classes.add(cls)
        _forbid_keyword_arguments(cls)
        if issubclass(cls, QtCore.QObject):
            _add_properties(cls)
            cls.__setattr__ = _set_attribute
            _answer_connect(cls)
            cls.__getattr__ = _dynamic_property
    base = QtCore.QObject
    base.name = QtProperty("objectName", base.staticMetaObject.property(0), None)
    base.className = lambda self: self.metaObject().className()
    for cls in (QtWidgets.QDialog, QtWidgets.QMenu, QtCore.QCoreApplication, QtCore.QEventLoop):
        if not hasattr(cls, "exec_"):
            cls.exec_ = cls.exec


def qt_module(**replacements: object) -> types.ModuleType:
    """Return the flat ``qt`` module of the application; ``replacements`` are the host's own classes."""
    module = types.ModuleType("qt", "Qt as PythonQt shows it; imitated by the test host with PySide6.")
    for pyside in _MODULES:
        for name in dir(pyside):  # not vars(): PySide6 makes a class when it is first asked for
            value = getattr(pyside, name)
            if (name.startswith("Q") and isinstance(value, type) and name not in _PYSIDE_ONLY) or name == "Qt":
                setattr(module, name, value)
    for name, value in replacements.items():
        setattr(module, name, value)
    return module


def _classes() -> Iterator[type]:
    seen = set()
    for module in (*_MODULES, QtUiTools):
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, Shiboken.Object) and value not in seen:
                seen.add(value)
                yield value


def _add_properties(cls: type) -> None:
    meta = cls.staticMetaObject
    for index in range(meta.propertyCount()):
        prop = meta.property(index)
        own = index >= meta.propertyOffset()
        if own or prop.name() in cls.__dict__:  # a subclass's method must not hide the property of its base
            shadowed = _class_attribute(cls, prop.name())
            if not isinstance(shadowed, QtProperty):
                setattr(cls, prop.name(), QtProperty(prop.name(), prop, shadowed))


def _class_attribute(cls: type, name: str) -> Any:
    """Look a class attribute up without running descriptors (inspect.getattr_static is a hundred times slower)."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def _forbid_keyword_arguments(cls: type) -> None:
    original = cls.__dict__.get("__init__")
    if original is None:
        return

    def construct(self: Any, *args: Any, **keywords: Any) -> None:
        if keywords and type(self) in _native_classes:
            raise TypeError(f"{type(self).__name__}() takes no keyword arguments in PythonQt")
        original(self, *args, **keywords)

    cls.__init__ = construct


def _set_attribute(self: Any, name: str, value: Any) -> None:
    descriptor = _class_attribute(type(self), name)
    if hasattr(type(descriptor), "__set__"):
        descriptor.__set__(self, value)
    elif isinstance(descriptor, QtCore.Property):  # a property of one of the host's stand-ins
        if not QtCore.QObject.setProperty(self, name, value):
            raise ValueError(f"{type(self).__name__}.{name} cannot be set to {value!r}")
    elif type(self) not in _native_classes or name.startswith("_"):
        _pyside_set_attribute(self, name, value)  # a class of the module's own may have attributes
    elif name.encode() in self.dynamicPropertyNames():
        self.setProperty(name, value)
    else:
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}' that can be set")


def _answer_connect(cls: type) -> None:
    """Give out our `connect` and `disconnect`: PySide6 answers these two itself, without looking at the class."""
    original = cls.__dict__.get("__getattribute__")
    if original is None:  # inherited; the few classes with one of their own answer more names (QFile.exists)
        return

    def attribute(self: Any, name: str) -> Any:
        if name == "connect":
            return functools.partial(connect, self)
        if name == "disconnect":
            return functools.partial(disconnect, self)
        return original(self, name)

    cls.__getattribute__ = attribute


def _dynamic_property(self: Any, name: str) -> Any:
    if not name.startswith("__") and name.encode() in QtCore.QObject.dynamicPropertyNames(self):
        return QtCore.QObject.property(self, name)
    raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")


def connect(self: Any, signal: str, slot: Callable, *internal: Any) -> bool:
    """Connect a signal, named by its C++ signature, to a Python callable.

    Returns
    -------
    bool
        False when the object has no such signal: PythonQt says no more than this.
    """
    if not isinstance(signal, str):  # PySide6 itself, in QTimer.singleShot: (sender, signal, slot)
        return _connect(signal, slot, *internal)
    if internal:
        raise TypeError("connect() takes a signal and one callable")
    if not callable(slot):
        raise TypeError(f"the slot for {signal} cannot be called: {slot!r}")
    signature = normalized(signal)
    target = _accepting(slot, _argument_count(signature))
    bound = _own_signal(self, signature)
    if bound is not None:
        bound.connect(target)
        link = (bound, target)
    elif self.metaObject().indexOfSignal(signature) >= 0:
        link = _connect(self, QtCore.SIGNAL(signature), target)
    else:
        return False
    key = Shiboken.getCppPointer(self)[0]
    if key not in _connections:
        _connections[key] = []
        _connect(self, QtCore.SIGNAL("destroyed()"), functools.partial(_connections.pop, key, None))
    _connections[key].append((signature, slot, link))
    return True


def disconnect(self: Any, signal: str, slot: Callable) -> bool:
    """Undo one `connect`; False when there was none."""
    signature = normalized(signal)
    links = _connections.get(Shiboken.getCppPointer(self)[0], [])
    for entry in links:
        if entry[0] == signature and entry[1] == slot:
            links.remove(entry)
            if isinstance(entry[2], tuple):
                bound, target = entry[2]
                bound.disconnect(target)
            else:
                _disconnect(entry[2])
            return True
    return False


def has_method(obj: Any, signature: str) -> bool:
    """Return whether the object has this signal or slot, named by its C++ signature."""
    signature = normalized(signature)
    if _own_signal(obj, signature) is not None or signature in _declared(obj, "slots"):
        return True
    return obj.metaObject().indexOfMethod(signature) >= 0


def normalized(signature: str) -> str:
    """Return a C++ signature without superfluous blanks, const and references."""
    return bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()


def _declared(obj: Any, kind: str) -> dict[str, str]:
    """Return the C++ signatures that the host's stand-ins declare in ``cpp_signals`` and ``cpp_slots``."""
    merged: dict[str, str] = {}
    for cls in reversed(type(obj).__mro__):
        merged.update(cls.__dict__.get(f"cpp_{kind}", {}))
    return merged


def _own_signal(obj: Any, signature: str) -> Any:
    name = _declared(obj, "signals").get(signature)
    return None if name is None else getattr(obj, name)


def _argument_count(signature: str) -> int:
    inside = signature[signature.index("(") + 1 : -1] if "(" in signature else ""
    return len(inside.split(",")) if inside else 0


def _accepting(slot: Callable, sent: int) -> Callable:
    """Wrap ``slot`` so that it gets the first arguments of a signal, as many as it takes."""
    try:
        parameters = list(inspect.signature(slot).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        taken = sent
    else:
        taken = min(sent, sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters))

    def call(*args: Any) -> None:
        slot(*args[:taken])

    return call
