import { useCallback, useEffect, useSyncExternalStore } from 'react';
import type { Toast } from '../lib/toasts.ts';
import { useBoard } from './context.ts';

export function ToastStack() {
  const { toasts } = useBoard().session;
  const subscribe = useCallback((listener: () => void) => toasts.subscribe(listener), [toasts]);
  const get = () => toasts.view;
  const { shown, more } = useSyncExternalStore(subscribe, get, get);
  useEffect(() => {
    const small = matchMedia('(max-width: 559px)');
    const fit = () => {
      toasts.room = small.matches ? 2 : 3;
    };
    fit();
    small.addEventListener('change', fit);
    return () => small.removeEventListener('change', fit);
  }, [toasts]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hovering only stops the clock
    <div
      className="toasts"
      onPointerEnter={() => toasts.pause()}
      onPointerLeave={() => toasts.resume()}
      onFocus={() => toasts.pause()}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && toasts.resume()}
    >
      <div
        role="log"
        aria-live="polite"
        aria-relevant="additions"
        aria-label="Notifications"
        className="toast-log"
      >
        {shown.map((toast) => (
          <ToastCard key={toast.id} toast={toast} />
        ))}
      </div>
      {more > 0 && (
        <p className="more" data-testid="toasts-more">
          {more} more
        </p>
      )}
    </div>
  );
}

function ToastCard({ toast }: { toast: Toast }) {
  const { toasts } = useBoard().session;
  const dismiss = () => {
    toasts.dismiss(toast.id);
    toasts.resume();
  };
  return (
    <div className="toast" data-testid="toast" data-actions={toast.actions?.length}>
      {toast.hue !== undefined && (
        <span
          aria-hidden="true"
          className="toast-mark"
          style={{ '--hue': toast.hue } as React.CSSProperties}
        />
      )}
      <p className="toast-text">{toast.text}</p>
      {toast.actions && (
        <div className="toast-actions">
          {toast.actions.map((action) => (
            <button
              key={action.label}
              type="button"
              onClick={() => {
                action.run();
                dismiss();
              }}
            >
              {action.label}
            </button>
          ))}
        </div>
      )}
      <button type="button" className="toast-close" aria-label="Dismiss" onClick={dismiss}>
        <svg aria-hidden="true" viewBox="0 0 20 20" className="size-4">
          <path d="m5.5 5.5 9 9m0-9-9 9" className="stroke" />
        </svg>
      </button>
    </div>
  );
}
