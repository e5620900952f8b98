"""Networks that training knows, as Keras models of whole windows."""
