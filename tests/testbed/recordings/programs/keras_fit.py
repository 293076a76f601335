"""A training with the bar of Keras."""

import keras
import numpy

model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
model.compile("adam", "mse", metrics=["mae"])
model.summary()
inputs, wanted = numpy.random.rand(64, 4), numpy.random.rand(64, 1)
model.fit(inputs, wanted, epochs=3, batch_size=4, validation_split=0.25)
