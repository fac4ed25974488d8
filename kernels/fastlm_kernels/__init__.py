"""The compiled floor of fastlm: functions over arrays, offsets and integers, nothing else.

It knows no files, no classes with behaviour, no printing and no validation: `fastlm` casts and
checks at its border, kernels trust what they get. Import the module you need; importing compiles
nothing.

Letters, used everywhere: B batch, C context, E embedding width, H hidden width, V vocabulary,
T tokens, L number of affine layers (hidden layers and the output). Gradients are ``d_<name>``.

Arguments come in one order: outputs and what changes in place, inputs, parameters, then sizes and
scalars. A matrix is a flat array, an offset and its numbers of rows and columns, row-major.
"""
