// Package hubtest is the suite that a [hub.Broker] has to pass, and a broker over
// a bad network to test with.
//
//	func TestBroker(t *testing.T) {
//		hubtest.Run(t, func(t hubtest.T) *hubtest.Setup {
//			server := start(t)
//			return &hubtest.Setup{Open: func() hub.Broker { return dial(t, server) }}
//		})
//	}
//
// Each case is about one promise of the interface, and asks for nothing else as
// far as that can be done: a broker that breaks one promise fails one case, and
// its name says which. Cases that wait do so for what is to happen, not for a time;
// they may run in a synctest bubble.
//
// A [Store] with its nodes is such a broker, with delays, answers that overtake
// one another, feeds that are cut, lost acknowledgements, writes lost in a
// failover, and restarts, for tests of whatever stands on a hub.
package hubtest
