export default function NotFound() {
  return (
    <main className="empty">
      <h1 className="font-semibold text-lg">There is no such page</h1>
      <p className="mt-1 text-[14px] text-muted">
        <a className="text-accent underline" href="/">
          Go to the board
        </a>
      </p>
    </main>
  );
}
