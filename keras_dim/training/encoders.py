"""The trained product, apart from how it was trained."""

import keras


def in_float32(encoder: keras.Model) -> keras.Model:
    """Returns a copy of an encoder for those who use it.

    It has the same weights and computes in float32 whatever the precision of
    training, and its batch norms no longer ask for other replicas, so that it
    loads anywhere Keras does.

    Args:
        encoder: functional `keras.Model`.
    """

    def for_use(layer):
        config = layer.get_config()
        config["dtype"] = "float32"
        if "synchronized" in config:
            config["synchronized"] = False
        return type(layer).from_config(config)

    copy = keras.models.clone_model(encoder, clone_function=for_use)
    copy.set_weights(encoder.get_weights())
    return copy
