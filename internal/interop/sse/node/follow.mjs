// node follow.mjs URL NAMES: follows a stream with the package eventsource and prints its events as JSON.
import { EventSource } from 'eventsource'
import { follow } from './follow.js'

// While the package waits to connect again, nothing of it keeps the process alive.
const alive = setInterval(() => {}, 1000)
const [url, names] = process.argv.slice(2)
process.stdout.write(
	JSON.stringify(await follow(() => new EventSource(url), names.split(','))),
)
clearInterval(alive)
