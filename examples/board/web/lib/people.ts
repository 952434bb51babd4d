// Who is here, and the names of those who were.

import type { Peers, User } from './protocol.ts';
import { Signal } from './signal.ts';

const MAX_NAMES = 500;

export class People {
  /** Everybody but this page's own user, in the order of their coming. */
  readonly others = new Signal<readonly User[]>([]);
  readonly me: Signal<User>;
  private readonly known = new Map<string, User>();

  constructor(me: User) {
    this.me = new Signal(me);
  }

  receive(message: Peers): void {
    const here = new Map<string, User>();
    if (!message.reset) for (const user of this.others.get()) here.set(user.id, user);
    for (const id of message.leave) here.delete(id);
    for (const user of message.join) {
      this.meet(user);
      if (user.id !== this.me.get().id) here.set(user.id, user);
    }
    this.others.set([...here.values()]);
  }

  /** Remembers the name of somebody who was heard of. */
  meet(user: User): void {
    this.known.delete(user.id);
    this.known.set(user.id, user);
    if (this.known.size > MAX_NAMES) {
      const oldest = this.known.keys().next();
      if (!oldest.done) this.known.delete(oldest.value);
    }
  }

  user(id: string | undefined): User | undefined {
    if (id === undefined) return undefined;
    return id === this.me.get().id ? this.me.get() : this.known.get(id);
  }

  /** For the start of a sentence. */
  name(id: string | undefined): string {
    return this.user(id)?.name ?? 'Somebody';
  }
}
