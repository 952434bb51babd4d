// A board's server in small, by the rules of PROTOCOL.md, for the property test:
// one board, any number of clients, a log that is kept whole.

import type { Conflict, Effect, Note, Op, Reject, ServerMessage, Welcome } from '../lib/protocol.ts';

type Numbered = { seq: number } & Op;

interface Client {
  user: string;
  acked: number;
  rejects: Map<number, Reject>;
}

/** Answers to one operation: to everybody, to its sender, to the author of a text that it replaced. */
export interface Answers {
  effect?: Effect;
  reply?: Exclude<ServerMessage, { t: 'welcome' }>;
  conflict?: { client: string; message: Conflict };
  hole?: boolean;
}

export class ModelServer {
  epoch = 1;
  log: Effect[] = [];
  readonly notes = new Map<string, Note>();
  private readonly graves = new Map<string, { note: Note; by: string }>();
  private readonly clients = new Map<string, Client>();
  private readonly textBy = new Map<string, { client: string; user: string; seq: number }>();
  private readonly creators = new Map<string, string>();
  private top = 0;
  private at = 1_000_000;

  /** Forgets everything, as a process that is started again does. */
  reset(): void {
    this.epoch++;
    this.log = [];
    this.top = 0;
    for (const map of [this.notes, this.graves, this.clients, this.textBy, this.creators]) map.clear();
  }

  position(n = this.log.length): string {
    return `e${this.epoch}.${n}`;
  }

  hello(client: string, user: string, resume: string | undefined, first: number): Welcome {
    const known = this.clients.get(client);
    if (!known) this.clients.set(client, { user, acked: 0, rejects: new Map() });
    const acked = known ? known.acked : first > 1 ? null : 0;
    // A client that has to come back as another one is not known here.
    if (acked === null) this.clients.delete(client);
    const head = {
      t: 'welcome' as const,
      v: 1,
      pos: this.position(),
      acked,
      hb: 15000,
      limits: { text: 2000, notes: 2000, opsPerSec: 60 },
    };
    const [, epoch, from] = /^e(\d+)\.(\d+)$/.exec(resume ?? '') ?? [];
    if (epoch === String(this.epoch)) return { ...head, mode: 'delta', ops: this.log.slice(Number(from)) };
    const notes = [...this.notes.values()];
    return { ...head, mode: 'snapshot', notes, ...(resume !== undefined && { reset: 'epoch' as const }) };
  }

  op(client: string, op: Numbered): Answers {
    const known = this.clients.get(client);
    if (!known || op.seq > known.acked + 1) return { hole: true };
    if (op.seq <= known.acked) return { reply: known.rejects.get(op.seq) ?? { t: 'ack', seq: op.seq } };
    known.acked = op.seq;
    const answers = this.apply(client, known.user, op);
    if (answers.reply?.t === 'reject') known.rejects.set(op.seq, answers.reply);
    return answers;
  }

  private apply(client: string, by: string, op: Numbered): Answers {
    const { seq, id } = op;
    const note = this.notes.get(id);
    const grave = this.graves.get(id);
    const ack: Answers = { reply: { t: 'ack', seq } };
    const gone: Answers = {
      reply: { t: 'reject', seq, code: 'gone', ...(grave && { note: grave.note, by: grave.by }) },
    };
    const at = this.at++;
    const effect = (f?: Partial<Note>): Answers => {
      const sent: Effect = {
        t: 'op',
        pos: this.position(this.log.length + 1),
        client,
        seq,
        by,
        at,
        k: op.k,
        id,
        ...(f && { f }),
      };
      this.log.push(sent);
      return { effect: sent };
    };

    switch (op.k) {
      case 'create': {
        if (note || grave) {
          return this.creators.get(id) === client ? ack : { reply: { t: 'reject', seq, code: 'exists' } };
        }
        const made: Note = { id, ...op.f, z: ++this.top, textRev: 0, by, at };
        this.notes.set(id, made);
        this.creators.set(id, client);
        this.textBy.set(id, { client, user: by, seq });
        return effect(made);
      }
      case 'set': {
        if (!note) return gone;
        const f: { -readonly [K in keyof Note]?: Note[K] } = { ...op.f };
        let conflict: Answers['conflict'];
        if (op.f.text !== undefined) {
          const last = this.textBy.get(id);
          if (last && (op.textRev ?? 0) < note.textRev && last.user !== by) {
            const lost = note.text;
            conflict = {
              client: last.client,
              message: { t: 'conflict', seq: last.seq, id, lost, winner: by },
            };
          }
          f.textRev = note.textRev + 1;
          this.textBy.set(id, { client, user: by, seq });
        }
        this.notes.set(id, { ...note, ...f, by, at });
        return { ...effect(f), ...(conflict && { conflict }) };
      }
      case 'front': {
        if (!note) return gone;
        const z = ++this.top;
        this.notes.set(id, { ...note, z, by, at });
        return effect({ z });
      }
      case 'delete':
        if (!note) return ack;
        this.notes.delete(id);
        this.graves.set(id, { note, by });
        return effect();
      case 'restore': {
        if (note) return ack;
        if (!grave) return gone;
        const back = { ...grave.note, by, at };
        this.notes.set(id, back);
        this.graves.delete(id);
        return effect(back);
      }
    }
  }
}
