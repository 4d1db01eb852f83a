// Changes on their way to the hub, one after the other; what fails stays on the page until somebody decides.

import {Refused, ask} from "./dom.js";

const MOST_UNDONE = 50;

// A deed: {address, body, told}. `takeIn(answer)` gets what the hub made of it, `startOver()` takes back what was not saved.
export class Saving extends EventTarget {
  constructor({takeIn, startOver, body}) {
    super();
    this.takeIn = takeIn;
    this.startOver = startOver;
    this.shared = body;
    this.queue = [];
    this.undone = [];
    this.busy = false;
    this.fault = null;
    window.addEventListener("beforeunload", (event) => {
      if (this.queue.length) event.preventDefault();
    });
  }

  get isIdle() {
    return !this.queue.length;
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  add(deed) {
    this.queue.push(deed);
    this.changed();
    if (!this.fault) this.run();
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.queue.length) {
      const deed = this.queue[0];
      try {
        const answer = await ask(deed.address, {...this.shared, ...deed.body});
        this.queue.shift();
        if (deed.isUndo) this.undone.pop();
        else if (answer.undo) this.undone.push({body: answer.undo, told: deed.told});
        if (this.undone.length > MOST_UNDONE) this.undone.shift();
        this.takeIn(answer, deed, this.isIdle);
      } catch (error) {
        this.fault = error instanceof Refused ? error : new Refused(String(error));
        break;
      }
      this.changed();
    }
    this.busy = false;
    this.changed();
  }

  repeat() {
    this.fault = null;
    this.changed();
    this.run();
  }

  async giveUp() {
    try {
      await this.startOver();
    } catch (error) {
      this.fault = error;
      this.changed();
      return;
    }
    this.queue = [];
    this.fault = null;
    this.changed();
  }

  get last() {
    return this.undone.at(-1) ?? null;
  }

  undo(address) {
    if (this.last && this.isIdle) this.add({address, body: this.last.body, told: `Took back: ${this.last.told}`, isUndo: true});
  }
}
