//go:build !race

package netio

func raceSend()    {}
func raceReceive() {}
