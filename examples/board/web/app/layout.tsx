import type { Metadata, Viewport } from 'next';
import localFont from 'next/font/local';
import './globals.css';

// Bundled: the page loads nothing from elsewhere, and looks the same on a machine
// without fonts of its own.
const inter = localFont({
  src: './fonts/inter-latin.woff2',
  weight: '100 900',
  variable: '--font-inter',
  display: 'swap',
});

export const metadata: Metadata = {
  title: 'Board',
  description: 'Notes that everybody on the board sees at once.',
};

export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  // A keyboard on the screen makes the page smaller instead of covering the tool bar.
  interactiveWidget: 'resizes-content',
  colorScheme: 'light dark',
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#fbfaf8' },
    { media: '(prefers-color-scheme: dark)', color: '#201f1d' },
  ],
};

export default function Layout({ children }: { children: React.ReactNode }) {
  return (
    <html lang="en" className={inter.variable}>
      <body>
        {children}
        <noscript>
          <p className="noscript">The board needs JavaScript.</p>
        </noscript>
      </body>
    </html>
  );
}
