// The page: what is typed, what the model thinks comes next, and what it writes.
"use strict";

class Demo {
  constructor(data) {
    this.data = data;
    this.model = new Model(data);
    this.tokenizer = new Tokenizer(data.tokenizer, data.names, data.config.boundary, data.unk);
  }

  // The ids of the last document of a prompt, which is all that the model sees of it.
  encode(prompt) {
    prompt = prompt.replace(/\r\n?/g, "\n");
    if (this.data.documents === "lines") prompt = prompt.split("\n").pop();
    if (this.data.documents === "paragraphs") prompt = prompt.split(/\n[^\S\n]*\n/).pop();
    return this.tokenizer.encode(prompt);
  }

  distribution(prompt, temperature = 1) {
    return this.model.distribution(this.encode(prompt), temperature);
  }

  // New text after a prompt, token by token: yields all of it each time.
  *texts(prompt, length, settings = {}) {
    const ids = this.encode(prompt);
    let begin = this.spaced() && ids.length ? null : this.tokenizer.decode(ids).length;
    let written = "", shown = "", afterSpace = this.spaced() && /\s$/.test(prompt);
    for (let n = 0; n < length; n++) {
      const id = this.model.next(ids, settings);
      if (id === this.data.end) return;
      ids.push(id);
      if (id === this.data.config.boundary) {
        written = shown + this.separator();
        ids.length = begin = 0;
        shown = written;
        afterSpace = false;
        continue;
      }
      const text = this.tokenizer.decode(ids);
      // Where the text of a prompt of words ends depends on the token after it.
      if (begin === null) begin = text.slice(0, -this.data.names[id].length).replace(/ $/, "").length;
      const added = text.slice(begin);
      shown = written + (afterSpace ? added.replace(/^ /, "") : added);
      yield shown;
    }
  }

  spaced() {
    return this.tokenizer.form.kind === "word" || this.tokenizer.form.kind === "whitespace";
  }

  separator() {
    return { lines: "\n", paragraphs: "\n\n" }[this.data.documents] || "";
  }

  generate(prompt, length, settings = {}) {
    let last = "";
    for (const text of this.texts(prompt, length, settings)) last = text;
    return last;
  }
}

function visible(token) {
  const shown = { "\n": "⏎", "\t": "⇥", " ": "␣" };
  return token.replace(/[\n\t ]/g, (c) => shown[c]) || "(empty)";
}

function run() {
  const data = JSON.parse(document.getElementById("model").textContent);
  const demo = new Demo(data);
  window.demo = demo;
  const byId = (id) => document.getElementById(id);
  const prompt = byId("prompt"), output = byId("output"), bars = byId("bars");
  const settings = () => ({
    temperature: Number(byId("temperature").value),
    topK: Number(byId("top-k").value) || 0,
  });
  let writing = 0;

  function showBars() {
    byId("temperature-value").textContent = Number(byId("temperature").value).toFixed(2);
    let p;
    try {
      p = demo.distribution(prompt.value, Math.max(0.01, settings().temperature));
    } catch (error) {
      bars.replaceChildren();
      byId("note").textContent = error.message;
      return;
    }
    byId("note").textContent = "";
    const best = [...p.keys()].sort((a, b) => p[b] - p[a] || a - b).slice(0, 10);
    bars.replaceChildren(...best.map((id) => {
      const row = document.createElement("button");
      row.type = "button";
      row.title = "add this token to the text";
      for (const [name, text] of [["token", visible(data.names[id])], ["bar", ""],
        ["share", `${(100 * p[id]).toFixed(1)} %`]]) {
        const cell = document.createElement("span");
        cell.className = name;
        cell.textContent = text;
        if (name === "bar") {
          const inner = document.createElement("i");
          inner.style.width = `${(100 * p[id]) / p[best[0]]}%`;
          cell.append(inner);
        }
        row.append(cell);
      }
      row.disabled = id === data.config.boundary || id === data.unk;
      row.onclick = () => {
        const before = demo.encode(prompt.value);
        const old = demo.tokenizer.decode(before);
        prompt.value += demo.tokenizer.decode([...before, id]).slice(old.length);
        showAll();
      };
      return row;
    }));
  }

  function showCompletion() {
    let text = "";
    try {
      text = demo.generate(prompt.value, demo.spaced() ? 6 : 24, { temperature: 0 });
    } catch (error) {
      text = "";
    }
    byId("completion").textContent = text;
  }

  function showAll() {
    showBars();
    showCompletion();
  }

  function complete() {
    prompt.value += byId("completion").textContent;
    showAll();
  }

  function generate() {
    const turn = ++writing;
    const length = Number(byId("length").value) || 200;
    let steps;
    try {
      steps = demo.texts(prompt.value, length, settings());
    } catch (error) {
      byId("note").textContent = error.message;
      return;
    }
    const typed = document.createElement("b");
    typed.textContent = prompt.value;
    const added = document.createTextNode("");
    output.replaceChildren(typed, added);
    const begun = performance.now();
    let count = 0;
    const go = () => {
      if (turn !== writing) return;
      const until = performance.now() + 12;
      while (performance.now() < until) {
        const step = steps.next();
        if (step.done) {
          const seconds = (performance.now() - begun) / 1000;
          byId("speed").textContent =
            `${count} tokens in ${seconds.toFixed(2)} s, by this page alone`;
          return;
        }
        count++;
        added.data = step.value;
      }
      setTimeout(go, 0);
    };
    go();
  }

  prompt.oninput = showAll;
  prompt.onkeydown = (event) => {
    if (event.key === "Tab" && !event.shiftKey && byId("completion").textContent) {
      event.preventDefault();
      complete();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) generate();
  };
  byId("temperature").oninput = showBars;
  byId("complete").onclick = complete;
  byId("generate").onclick = generate;
  showAll();
  generate();
}

run();
