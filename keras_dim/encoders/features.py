"""The named features of an encoder."""

import keras


def feature_shapes(encoder, *required):
    """Returns the shape of each named feature of an encoder.

    Args:
        encoder: functional `keras.Model` from images to a dict of features.
        *required: str. Names of features that it must have.

    Returns:
        dict from name to shape, None where a size is not known.

    Raises:
        ValueError: if the model is not functional, does not return a dict, or
            lacks a required feature.
    """
    kind = type(encoder).__name__
    try:
        outputs = encoder.output
    except (AttributeError, ValueError) as error:
        raise ValueError(
            "The encoder must be a functional keras.Model. Received: "
            f"{kind}, whose outputs are not known before it is called. Wrap "
            "it: `image = keras.Input((height, width, channels)); encoder = "
            "keras.Model(image, mine(image))`"
        ) from error
    if not isinstance(outputs, dict):
        raise ValueError(
            "The encoder must return a dict of named features. Received: "
            f"{kind} with outputs that have no names. Name them: "
            '`keras.Model(mine.input, {"global": mine.output})`, a map of '
            'locations as "local"'
        )
    missing = sorted(set(required) - set(outputs))
    if missing:
        hint = ""
        if "global_log_variance" in missing:
            hint = ". The encoders of keras_dim add it with variational=True"
        raise ValueError(
            f"The encoder must return a dict with {sorted(required)}. "
            f"Received an encoder with {sorted(outputs)}{hint}"
        )
    return {name: tuple(output.shape) for name, output in outputs.items()}
