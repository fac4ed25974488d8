"""The compiled kernels of fastlm: functions over arrays, offsets and integers.

It has no files, no classes with behaviour, no printing and no validation. ``fastlm`` casts and
checks at its border; kernels trust what they get. Importing a module compiles nothing.

Legend, used everywhere
-----------------------
B : batch, the examples of a training step
C : context, the near tokens that an example sees
D : different tokens in the token table (``layers.token_table``)
E : embedding width
H : hidden width
K, N : fan-in and fan-out of an affine layer
L : affine layers, hidden ones and the output
S : texts that are generated together
T : tokens of a token array
V : vocabulary
span : C and the tokens of the pools of far context: all that an example sees
d_<name> : gradient of the loss with respect to <name>

Arguments come in one order: outputs and what changes in place, inputs, parameters, then sizes and
scalars. A matrix is a flat array, an offset and the distance of its rows, row-major:
``a, a0, lda``. Losses are in nats.
"""
