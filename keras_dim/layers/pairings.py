"""Features of an encoder that are paired with each other across scales."""

from keras_dim.layers import projection


def checked(pairings, shapes):
    """Returns pairings of features as tuples.

    Args:
        pairings: list of pairs of str. Source and target of each.
        shapes: dict. Shapes of the encoder's features by name.

    Raises:
        ValueError: for none, for a feature that is not there, and for vectors
            that are not as wide as the global one.
    """
    pairings = tuple(tuple(pairing) for pairing in pairings)
    if not pairings:
        raise ValueError("`pairings` must name one or more. Received none")
    units = shapes["global"][-1]
    for pairing in pairings:
        if len(pairing) != 2 or not set(pairing) <= set(shapes):
            raise ValueError(
                "Each of `pairings` names two features of the encoder, which "
                f"has {sorted(shapes)}. Received: {pairing}"
            )
        for name in pairing:
            if len(shapes[name]) == 2 and shapes[name][-1] != units:
                raise ValueError(
                    f"Vectors must be as wide as the global one, {units}. "
                    f"Received: {name!r} with {shapes[name][-1]} units"
                )
    return pairings


def projections(pairings, shapes, use_batch_norm):
    """Returns a projection to the global width for each map that is paired.

    Args:
        pairings: tuple of pairs of str, from `checked`.
        shapes: dict. Shapes of the encoder's features by name.
        use_batch_norm: bool. Whether hidden layers are batch-normalised.

    Returns:
        dict from names to built `Projection` layers, those of AMDIM's code.
    """
    made = {}
    for name in sorted({name for pairing in pairings for name in pairing}):
        if len(shapes[name]) == 4:
            made[name] = projection.Projection(
                shapes["global"][-1],
                output_norm="batch",
                hidden_norm=use_batch_norm,
                zero_start=True,
                name=f"{name}_projection",
            )
            made[name].build(shapes[name])
    return made
