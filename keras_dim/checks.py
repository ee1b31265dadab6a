def one_of(known, **values):
    for name, value in values.items():
        if value not in known:
            raise ValueError(f"Unknown {name}. Expected one of {sorted(map(str, known))}. Received: {value!r}")
def at_least(minimum, **values):
    for name, value in values.items():
        if value is not None and not value >= minimum:
            raise ValueError(f"`{name}` must be {minimum} or more. Received: {value}")
def above(minimum, **values):
    for name, value in values.items():
        if value is not None and not value > minimum:
            raise ValueError(f"`{name}` must be above {minimum}. Received: {value}")
