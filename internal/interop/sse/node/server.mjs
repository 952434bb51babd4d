// node server.mjs: an event stream server that writes what the HTML standard allows and few servers write. It prints its
// port. POST / publishes {name, data} and answers with the event's id; GET /events follows, from after Last-Event-ID.
// It ends with its standard input.
import { createServer } from 'node:http'

const events = []
const waiting = new Set()
let connections = 0

// A small generator of numbers that are the same in each run.
let seed = 7
const random = (n) => (seed = (seed * 48271) % 2147483647) % n

const idOf = (n) => `é…${n}`
const lineEnds = [['\n'], ['\r'], ['\r\n'], ['\n', '\r', '\r\n']]

// encode returns the lines of an event, without the blank one.
function encode(e, n) {
	const lines = [': a comment', ':', 'retry: 1e3', 'retry: +7', 'retry:2', 'id: never\0taken', 'unknown: field', 'nor this']
	lines.splice(random(5), random(4))
	lines.push(random(2) ? `id: ${idOf(n)}` : `id:${idOf(n)}`)
	if (e.name) lines.push('event: overruled', `event: ${e.name}`)
	for (const line of e.data.split('\n')) {
		lines.push(line === '' ? ['data', 'data:', 'data: '][random(3)] : `data: ${line}`)
		if (random(3) === 0) lines.push(`:${'x'.repeat(random(40))}`)
	}
	return lines
}

const pause = () => new Promise((resolve) => setImmediate(resolve))

async function serve(req, res) {
	const last = Buffer.from(req.headers['last-event-id'] ?? '', 'latin1').toString()
	let next = last === '' ? 0 : Number(last.replace('é…', '')) + 1
	const connection = connections++
	const ends = lineEnds[connection % lineEnds.length]
	const leave = connection % 5 === 4 ? 2 : Infinity // events until it ends by itself, in the middle of the next
	let gone = false
	let line = 0
	res.on('close', () => {
		gone = true
	})
	// write sends text in pieces of up to nine bytes, which may cut characters and line ends in two.
	const write = async (text) => {
		const bytes = Buffer.from(text)
		for (let i = 0; i < bytes.length && !gone; ) {
			const n = random(4) === 0 ? 1 : 1 + random(60)
			res.write(bytes.subarray(i, i + n))
			i += n
			if (random(3) === 0) await pause()
		}
	}
	const eol = () => ends[line++ % ends.length]
	res.writeHead(200, { 'Content-Type': 'Text/Event-Stream;charset=windows-1252;', 'Cache-Control': 'no-store' })
	await write(connection % 2 ? '\ufeff' : '')
	await write(`: hello${eol()}`)
	for (let sent = 0; !gone; ) {
		if (next >= events.length) {
			await new Promise((resolve) => {
				waiting.add(resolve)
				res.on('close', resolve)
			})
			continue
		}
		// CR and then LF would be one line end, so a CR is not followed by a lone LF.
		let text = ''
		const add = (s) => {
			let e = eol()
			if (s === '' && e === '\n' && text.endsWith('\r')) e = '\r\n'
			text += s + e
		}
		for (const l of encode(events[next], next)) add(l)
		if (sent++ === leave) {
			await write(text)
			break
		}
		add('')
		await write(text)
		next++
	}
	res.end()
}

const server = createServer((req, res) => {
	if (req.method !== 'POST') {
		serve(req, res)
		return
	}
	let body = ''
	req.setEncoding('utf8')
	req.on('data', (s) => {
		body += s
	})
	req.on('end', () => {
		events.push(JSON.parse(body))
		res.end(idOf(events.length - 1))
		for (const wake of waiting) wake()
		waiting.clear()
	})
})

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
