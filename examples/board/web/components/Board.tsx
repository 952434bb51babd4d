'use client';

import { useEffect, useState } from 'react';
import { boardName, Session } from '../lib/session.ts';
import { loadUser } from '../lib/user.ts';
import { Canvas } from './Canvas.tsx';
import { type BoardContext, Context } from './context.ts';
import { Desk } from './desk.ts';
import { ToastStack } from './ToastStack.tsx';
import { Toolbar } from './Toolbar.tsx';
import { Skeleton, TopBar } from './TopBar.tsx';

declare global {
  interface Window {
    __board?: Pick<Session, 'debug' | 'log'>;
  }
}

export function Board() {
  // The page is rendered ahead of time, where there is no address, no storage and
  // no socket: all of that starts here.
  const [board, setBoard] = useState<BoardContext>();

  useEffect(() => {
    const search = new URLSearchParams(location.search);
    const { user, save } = loadUser(search.get('user'));
    const session = new Session(boardName(search), user, save);
    window.__board = { debug: () => session.debug(), log: () => session.log() };
    if (session.board !== 'main') document.title = `${session.board} · Board`;
    session.start();
    setBoard({ session, desk: new Desk(session) });
    return () => session.stop();
  }, []);

  if (!board) return <Skeleton />;
  return (
    <Context value={board}>
      <TopBar />
      <Canvas />
      <Toolbar />
      <ToastStack />
    </Context>
  );
}
