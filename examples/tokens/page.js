// EventSource can't POST, so the page reads the stream with fetch. This server ends lines in LF and writes a space behind
// each colon, which is all that this small reader knows; what comes is only ever shown as text.
const $ = (id) => document.getElementById(id)
let asking = null

async function* events(body) {
	let rest = ''
	const reader = body.pipeThrough(new TextDecoderStream()).getReader()
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		rest += part.value
		const blocks = rest.split('\n\n')
		rest = blocks.pop()
		for (const block of blocks) {
			const event = { name: 'message', data: '' }
			for (const line of block.split('\n')) {
				if (line.startsWith('event: ')) event.name = line.slice(7)
				if (line.startsWith('data: ')) event.data += line.slice(6)
			}
			if (event.data) yield event
		}
	}
}

$('form').addEventListener('submit', async (submit) => {
	submit.preventDefault()
	asking?.abort()
	const abort = new AbortController()
	asking = abort
	$('answer').textContent = ''
	$('state').textContent = 'waiting …'
	$('stop').disabled = false
	let end = 'cut off'
	try {
		const response = await fetch('/v1/tokens', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
			body: JSON.stringify({ prompt: $('prompt').value }),
			signal: abort.signal,
		})
		if (!response.ok) throw new Error(`${response.status}`)
		for await (const { name, data } of events(response.body)) {
			if (name === 'token' && asking === abort) $('answer').append(JSON.parse(data).text)
			if (name === 'done') end = `${JSON.parse(data).reason} after ${JSON.parse(data).tokens} tokens`
		}
	} catch (error) {
		end = abort.signal.aborted ? 'stopped by you' : `failed: ${error.message}`
	}
	if (asking !== abort) return // another question has taken the place of this one
	$('state').textContent = end
	$('stop').disabled = true
})
$('stop').addEventListener('click', () => asking?.abort())
