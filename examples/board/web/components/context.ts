import { createContext, useCallback, useContext, useSyncExternalStore } from 'react';
import type { Session } from '../lib/session.ts';
import type { Signal } from '../lib/signal.ts';
import type { Entry } from '../lib/store.ts';
import type { Desk } from './desk.ts';

export interface BoardContext {
  readonly session: Session;
  readonly desk: Desk;
}

export const Context = createContext<BoardContext | undefined>(undefined);

export function useBoard(): BoardContext {
  const context = useContext(Context);
  if (!context) throw new Error('useBoard is for components below <Board>');
  return context;
}

export function useSignal<T>(signal: Signal<T>): T {
  return useSyncExternalStore(signal.subscribe, signal.get, signal.get);
}

/** Part of a signal's value; renders again only when that part changes. */
export function useSelect<T, U>(signal: Signal<T>, select: (value: T) => U): U {
  const get = () => select(signal.get());
  return useSyncExternalStore(signal.subscribe, get, get);
}

export function useEntry(id: string): Entry | undefined {
  const { store } = useBoard().session;
  const subscribe = useCallback((listener: () => void) => store.subscribeNote(id, listener), [store, id]);
  const get = () => store.entry(id);
  return useSyncExternalStore(subscribe, get, get);
}

export function useIds(): readonly string[] {
  const { store } = useBoard().session;
  const subscribe = useCallback((listener: () => void) => store.subscribeIds(listener), [store]);
  const get = () => store.ids;
  return useSyncExternalStore(subscribe, get, get);
}

export function useUnsent(): number {
  const { store } = useBoard().session;
  const subscribe = useCallback((listener: () => void) => store.subscribeQueue(listener), [store]);
  const get = () => store.pending.length;
  return useSyncExternalStore(subscribe, get, get);
}
