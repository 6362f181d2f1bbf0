/** Changes that were sent and of which the server has not yet said that it has them. */

/** @typedef {import("./wire.js").Patch} Patch */

/** The patches by the ids of their messages. @extends {Map<string, Patch>} */
export class UnconfirmedChanges extends Map {
  /**
   * Return what may be sent again on a new connection, and forget the rest: a property may be set twice, but a
   * click would count twice.
   * @returns {Patch | null}
   */
  takeRepeatable() {
    const events = [...this.values()].flatMap((patch) => patch.events).filter(({ kind }) => kind === "ModelChanged");
    this.clear();
    return events.length > 0 ? { events } : null;
  }
}
