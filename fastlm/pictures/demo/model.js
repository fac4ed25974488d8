// The network in plain JavaScript: a context of token ids in, a probability for every token out.
"use strict";

class Model {
  // data: the object that fastlm.pictures.demo_page describes.
  constructor(data) {
    this.data = data;
    this.config = data.config;
    this.span = data.config.context + data.config.far.reduce((sum, size) => sum + size, 0);
    this.tensors = {};
    const bytes = fromBase64(data.weights);
    for (const [name, { shape, offset }] of Object.entries(data.tensors)) {
      const size = shape.reduce((product, side) => product * side, 1);
      this.tensors[name] = { shape, values: floats(bytes, offset, size, data.dtype) };
    }
    this.excluded = new Set(data.excluded);
  }

  // The ids that the model sees after ids: what lies before them reads as boundary tokens, or 0.
  context(ids) {
    const boundary = this.config.boundary;
    const context = new Array(this.span).fill(boundary === null ? 0 : boundary);
    for (let back = 1; back <= Math.min(this.span, ids.length); back++) {
      const id = ids[ids.length - back];
      if (id === boundary) break;
      context[this.span - back] = id;
    }
    return context;
  }

  // The logits Float64Array(V) of the token after ids; of an adaptive softmax ln p.
  logits(ids) {
    const { config } = this;
    let x = this.input(this.context(ids));
    for (let layer = 1; layer <= config.hidden.length; layer++) {
      x = this.affine(x, `hidden.${layer}`);
      for (let j = 0; j < x.length; j++) if (x[j] < 0) x[j] = 0;
    }
    const head = this.affine(x, "output");
    if (config.cutoffs.length === 0) return head;
    const total = logSumExp(head);
    const logits = new Float64Array(config.vocab);
    const ids_of_head = config.cutoffs[0];
    for (let j = 0; j < ids_of_head; j++) logits[j] = head[j] - total;
    config.cutoffs.forEach((start, cluster) => {
      const projected = this.product(x, `tail.${cluster + 1}.projection`);
      const tail = this.affine(projected, `tail.${cluster + 1}`);
      const move = head[ids_of_head + cluster] - total - logSumExp(tail);
      for (let j = 0; j < tail.length; j++) logits[start + j] = tail[j] + move;
    });
    return logits;
  }

  // What the first layer takes: embeddings side by side or their mean, then a sum for each pool.
  input(context) {
    const { config } = this;
    const E = config.embed, C = config.context, near = this.span - C;
    const embeddings = this.tensors.embeddings.values;
    const mean = config.combine === "mean";
    const width = mean ? E : C * E;
    const x = new Float64Array(width + config.far.length * E);
    for (let c = 0; c < C; c++) {
      const row = context[near + c] * E;
      for (let e = 0; e < E; e++) {
        if (mean) x[e] += embeddings[row + e] / C;
        else x[c * E + e] = embeddings[row + e];
      }
    }
    let stop = near;
    config.far.forEach((size, pool) => {
      stop -= size;
      const weight = this.tensors[`far.${pool + 1}.weight`].values;
      for (let f = 0; f < size; f++) {
        const row = context[stop + f] * E;
        for (let e = 0; e < E; e++) x[width + pool * E + e] += weight[f * E + e] * embeddings[row + e];
      }
    });
    return x;
  }

  affine(x, name) {
    const out = this.product(x, `${name}.weight`);
    const bias = this.tensors[`${name}.bias`];
    if (bias) for (let j = 0; j < out.length; j++) out[j] += bias.values[j];
    return out;
  }

  product(x, name) {
    const { shape, values } = this.tensors[name];
    const width = shape[1];
    const out = new Float64Array(width);
    for (let k = 0; k < shape[0]; k++) {
      const a = x[k];
      if (a === 0) continue;
      const row = k * width;
      for (let j = 0; j < width; j++) out[j] += a * values[row + j];
    }
    return out;
  }

  // The probabilities Float64Array(V) of the token after ids.
  distribution(ids, temperature = 1) {
    return shares(this.logits(ids), temperature);
  }

  // The next token: an id that is not excluded, chosen as LanguageModel.generate does.
  next(ids, { temperature = 1, topK = 0, topP = 1, random = Math.random } = {}) {
    const logits = this.logits(ids);
    for (const id of this.excluded) logits[id] = -Infinity;
    const boundary = this.config.boundary;
    const atStart = ids.length === 0 || ids[ids.length - 1] === boundary;
    if (boundary !== null && atStart) logits[boundary] = -Infinity; // no document is empty
    if (temperature === 0) {
      return logits.indexOf(logits.reduce((most, z) => Math.max(most, z), -Infinity));
    }
    let kept = [...logits.keys()].filter((id) => logits[id] > -Infinity);
    if (topK > 0 || topP < 1) kept.sort((a, b) => logits[b] - logits[a] || a - b);
    if (topK > 0) kept = kept.slice(0, topK);
    const largest = kept.reduce((most, id) => Math.max(most, logits[id]), -Infinity);
    let weights = kept.map((id) => Math.exp((logits[id] - largest) / temperature));
    let total = weights.reduce((sum, weight) => sum + weight, 0);
    if (topP < 1) {
      let sum = 0, count = 0;
      while (count < weights.length && sum < topP * total) sum += weights[count++];
      weights = weights.slice(0, count);
      total = sum;
    }
    let left = random() * total;
    for (let n = 0; n < weights.length; n++) {
      left -= weights[n];
      if (left < 0) return kept[n];
    }
    return kept[weights.length - 1];
  }
}

function shares(logits, temperature) {
  const largest = logits.reduce((most, z) => Math.max(most, z), -Infinity);
  const weights = logits.map((z) => Math.exp((z - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function logSumExp(z) {
  const largest = z.reduce((most, value) => Math.max(most, value), -Infinity);
  return largest + Math.log(z.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
  return bytes;
}

function floats(bytes, offset, size, dtype) {
  const values = new Float32Array(size);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < size; n++) {
    values[n] = dtype === "float32"
      ? view.getFloat32(4 * (offset + n), true)
      : half(view.getUint16(2 * (offset + n), true));
  }
  return values;
}

// A number of 16 bits (IEEE 754): sign, 5 bits of exponent, 10 of fraction.
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
