// follow collects all events of a stream, up to the one named "end". make returns the EventSource to be tried.
export function follow(make, names) {
	return new Promise((resolve) => {
		const events = []
		const source = make()
		for (const name of names) {
			source.addEventListener(name, (e) => {
				events.push({ id: e.lastEventId, name: e.type, data: e.data })
				if (name === 'end') {
					source.close()
					resolve(events)
				}
			})
		}
	})
}
