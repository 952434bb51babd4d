import { Board } from '../components/Board.tsx';

export default function Page() {
  return <Board />;
}
