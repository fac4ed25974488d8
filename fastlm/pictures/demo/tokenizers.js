// Text to token ids and back, as fastlm's tokenizers char, byte, whitespace and word do it.
"use strict";

class Tokenizer {
  // form: the tokenizer's JSON form; names: of all tokens, in the order of their ids.
  constructor(form, names, boundary, unk) {
    this.form = form;
    this.names = names;
    this.boundary = boundary;
    this.unk = unk;
    this.index = new Map();
    names.forEach((name, id) => {
      if (id !== boundary && id !== unk) this.index.set(name, id);
    });
    if (form.spacing) {
      this.spacing = new Map();
      for (const pair of form.spacing.spaced) this.spacing.set(JSON.stringify(pair), true);
      for (const pair of form.spacing.tight) this.spacing.set(JSON.stringify(pair), false);
    }
  }

  encode(text) {
    if (this.form.kind === "byte") {
      const first = this.boundary === null ? 0 : 1;
      return [...new TextEncoder().encode(text)].map((byte) => byte + first);
    }
    if (this.form.lowercase) text = text.toLowerCase();
    return this.split(text).map((symbol) => this.id(symbol));
  }

  id(symbol) {
    const id = this.index.get(symbol);
    if (id !== undefined) return id;
    if (this.form.unknown) return this.index.get(this.form.unknown);
    if (this.unk === null) throw new Error(`the model does not know ${JSON.stringify(symbol)}`);
    return this.unk;
  }

  split(text) {
    const { kind, line_ends: lineEnds, pattern } = this.form;
    if (kind === "char") return [...text];
    if (kind === "whitespace") {
      const words = (line) => line.match(/[^\s\x1c-\x1f\x85]+/gu) || [];
      if (!lineEnds) return words(text);
      return text.split("\n").flatMap((line, n) => (n ? ["\n", ...words(line)] : words(line)));
    }
    return text.match(WORDS[`${pattern}${lineEnds ? "+lines" : ""}`]) || [];
  }

  decode(ids) {
    const known = ids.filter((id) => id !== this.boundary);
    const { kind, line_ends: lineEnds } = this.form;
    if (kind === "byte") {
      const first = this.boundary === null ? 0 : 1;
      return new TextDecoder().decode(new Uint8Array(known.map((id) => id - first)));
    }
    if (kind === "char") {
      return known.map((id) => (id === this.unk ? "\ufffd" : this.names[id])).join("");
    }
    const join = kind === "word" ? (symbols) => this.joined(symbols) : (symbols) => symbols.join(" ");
    const lines = [[]];
    for (const id of known) {
      if (lineEnds && this.names[id] === "\n") lines.push([]);
      else lines[lines.length - 1].push(this.names[id]);
    }
    return lines.map(join).join("\n");
  }

  // Words and symbols with spaces where text usually has them, or where the training text has.
  joined(items) {
    const kinds = items.map((token) => kindOf(token, this.form.pattern));
    const rules = new Spacing();
    const parts = [];
    items.forEach((token, at) => {
      const merge = at > 0 && wouldMerge(token, kinds[at - 1], kinds[at]);
      let space = rules.before(items, kinds, at) || merge;
      if (this.spacing && at > 0) {
        const pair = [sideOf(items[at - 1], kinds[at - 1]), sideOf(token, kinds[at])];
        const learned = this.spacing.get(JSON.stringify(pair));
        if (learned !== undefined) space = learned || merge;
      }
      if (at > 0 && space) parts.push(" ");
      parts.push(token);
    });
    return parts.join("");
  }
}

// Letters of scripts that put no spaces between words.
const UNSPACED =
  "(?=[\\p{L}\\p{Nl}])[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3005-\\u3007\\u3021-\\u3029" +
  "\\u3031-\\u303c\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua9e0-\\ua9ff" +
  "\\uaa60-\\uaa7f\\uf900-\\ufaff\\uff66-\\uff9f\\u{116d0}-\\u{116ff}\\u{1aff0}-\\u{1b16f}" +
  "\\u{20000}-\\u{3ffff}]";
const IN_WORD = `(?:(?!${UNSPACED})[\\p{L}\\p{M}\\p{N}])+`;
const UNICODE =
  `${IN_WORD}(?:[\\u200c\\u200d]+${IN_WORD})*|${UNSPACED}\\p{M}*|[^\\p{Z}\\p{Cc}\\p{Cf}\\p{Cs}]`;
const MINI = "[\\p{L}\\p{N}_]+|[^\\p{L}\\p{N}_\\s\\x1c-\\x1f\\x85]";
const WORDS = {
  unicode: new RegExp(UNICODE, "gu"),
  "unicode+lines": new RegExp(`\\n|${UNICODE}`, "gu"),
  mini: new RegExp(MINI, "gu"),
  "mini+lines": new RegExp(`\\n|${MINI}`, "gu"),
};
const IS_UNSPACED = new RegExp(`^${UNSPACED}`, "u");
const CLOSING = new Set(",.;:!?)]}%‰…”»›°™®©¢");
const OPENING = new Set("([{“‘«‹„‚#$£€¥¿¡");
const APOSTROPHES = new Set("'’");
const HYPHENS = new Set("-‐‑—");
const EN_DASH = "–";
const TIGHT = new Set("_/@\\");
const CLITICS = new Set(["s", "t", "re", "ve", "ll", "d", "m", "n", "em"]);

const isMark = (token) => /^\p{M}/u.test(token);
const isDigit = (token) => /^[\p{Nd}²³¹]/u.test(token);
const isDecimal = (token) => /^\p{Nd}+$/u.test(token);
const isWide = (token) => /^[\u3001-\u303f\uff01-\uff65]/u.test(token);

function kindOf(token, pattern) {
  if (token === "<unk>") return "word";
  if (pattern === "mini") return /^[\p{L}\p{N}_]/u.test(token) ? "word" : "symbol";
  if (IS_UNSPACED.test(token)) return "unspaced";
  return /^[\p{L}\p{M}\p{N}]/u.test(token) ? "word" : "symbol";
}

function sideOf(token, kind) {
  if (kind === "symbol") return token;
  if (kind === "word" && /^\p{Nd}/u.test(token)) return "number";
  return kind === "word" && isMark(token) ? "mark" : kind;
}

function wouldMerge(token, kindBefore, kind) {
  if (kind !== "word" || kindBefore === "symbol") return false;
  return kindBefore === "word" || isMark(token);
}

// Decides on the space before each token; remembers which quotes are open.
class Spacing {
  constructor() {
    this.doubleOpen = this.singleOpen = this.lowOpen = false;
    this.spaceAfter = true;
  }

  before(items, kinds, at) {
    const token = items[at], wanted = this.spaceAfter;
    this.spaceAfter = true;
    const kindBefore = at > 0 ? kinds[at - 1] : "symbol";
    const kindAfter = at + 1 < items.length ? kinds[at + 1] : "symbol";
    const betweenWords = kindBefore === "word" && kindAfter === "word";
    if (kinds[at] === "unspaced" || (kinds[at] === "symbol" && isWide(token))) {
      this.spaceAfter = false;
      return false;
    }
    if (kinds[at] === "word") return wanted && !(isMark(token) && kindBefore === "symbol");
    if (token === '"') {
      this.doubleOpen = !this.doubleOpen;
      this.spaceAfter = !this.doubleOpen;
      return wanted && this.doubleOpen;
    }
    if (APOSTROPHES.has(token)) return this.apostrophe(items, at, betweenWords, wanted);
    if (token === "“" && this.lowOpen) {
      this.lowOpen = false;
      return false;
    }
    if (OPENING.has(token)) {
      this.lowOpen = this.lowOpen || token === "„";
      this.singleOpen = this.singleOpen || token === "‘";
      this.spaceAfter = false;
      return wanted;
    }
    if (HYPHENS.has(token) || token === EN_DASH) {
      return this.dash(items, kinds, at, betweenWords, wanted);
    }
    if (TIGHT.has(token)) {
      this.spaceAfter = false;
      return false;
    }
    if (CLOSING.has(token)) {
      this.spaceAfter = !(betweenWords && joinsNumbers(items, at));
      return false;
    }
    return wanted;
  }

  apostrophe(items, at, betweenWords, wanted) {
    if (betweenWords) {
      const before = items[at - 1].toLowerCase(), after = items[at + 1].toLowerCase();
      const plural = before.length > 2 && before.endsWith("s");
      if (CLITICS.has(after) || !(this.singleOpen || plural)) {
        this.spaceAfter = false;
        return false;
      }
      this.singleOpen = this.singleOpen && plural;
      return false;
    }
    if (items[at] === "’") {
      this.singleOpen = false;
      return false;
    }
    this.singleOpen = !this.singleOpen;
    this.spaceAfter = !this.singleOpen;
    return wanted && this.singleOpen;
  }

  dash(items, kinds, at, betweenWords, wanted) {
    const token = items[at];
    if (betweenWords) {
      const numbers = isDigit(items[at - 1]) && isDigit(items[at + 1]);
      const joined = token !== EN_DASH || numbers;
      this.spaceAfter = !joined;
      return !joined;
    }
    const after = at + 1 < items.length ? items[at + 1] : "";
    const inRun = at > 0 && items[at - 1] === token;
    const followsWord = at > 0 && kinds[at - 1] !== "symbol";
    const isMinus = token === "-" && isDigit(after) && !inRun && !followsWord;
    this.spaceAfter = after !== token && !isMinus;
    return wanted;
  }
}

function joinsNumbers(items, at) {
  const before = items[at - 1], token = items[at], after = items[at + 1];
  if (!(isDecimal(before) && isDecimal(after))) return false;
  if (token === ",") return before.length <= 3 && after.length === 3;
  return token === "." || (token === ":" && after.length === 2);
}
