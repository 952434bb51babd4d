// When to try again: a random delay below a ceiling that doubles ("full jitter"),
// so that clients that lost one server together do not come back together.

export interface BackoffOptions {
  /** The ceiling of the first delay, in milliseconds. */
  readonly base?: number;
  /** The highest ceiling. */
  readonly max?: number;
  /** How long a connection must have lived until the delays start over. */
  readonly healthyAfter?: number;
  /** A number in [0, 1). */
  readonly random?: () => number;
}

export class Backoff {
  private readonly base: number;
  private readonly max: number;
  private readonly healthyAfter: number;
  private readonly random: () => number;
  private failures = 0;

  constructor(options: BackoffOptions = {}) {
    this.base = options.base ?? 250;
    this.max = options.max ?? 30_000;
    this.healthyAfter = options.healthyAfter ?? 10_000;
    this.random = options.random ?? Math.random;
  }

  /** How many delays were given since the last healthy connection. */
  get attempts(): number {
    return this.failures;
  }

  /** The delay before the next attempt. */
  next(): number {
    const ceiling = Math.min(this.max, this.base * 2 ** Math.min(this.failures, 30));
    this.failures++;
    return this.random() * ceiling;
  }

  /**
   * Tells how long the connection that just ended had been live. Opening alone
   * proves nothing: a server that accepts and falls over at once must not be
   * asked again at full speed.
   */
  ended(livedFor: number): void {
    if (livedFor >= this.healthyAfter) this.failures = 0;
  }
}
