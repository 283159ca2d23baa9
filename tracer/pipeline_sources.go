package tracer

import "smiley/recording"

const (
	sourceChunk  = 1 << 20 // bytes of source files that are sent in one block, about
	sourceChunks = 3       // that are read, or wait to be encoded
	sourceBlocks = 3       // that are on their way to a store in this process when the next one is sent
)

// sendSources sends source files while the program is still being prepared: what they hold is read with read, into memory that is used
// again when they are encoded. Their definitions are the next ones of files: nobody may define any before it has returned.
func (p *pipeline) sendSources(files []recording.File, read func(*recording.File, []byte)) error {
	free := make(chan []byte, sourceChunks)
	for range sourceChunks {
		free <- nil // it is made when it is needed
	}
	for len(files) > 0 && p.failure() == nil { // the engine learns of a failure by itself
		memory := <-free
		if memory == nil {
			memory = make([]byte, 0, sourceChunk)
		}
		n, room := 0, memory[:0]
		for n < len(files) && (n == 0 || len(room) < sourceChunk*3/4) {
			read(&files[n], room[len(room):])
			room = room[:min(len(room)+len(files[n].Body), cap(room))]
			n++
		}
		sent, err := p.sendChunk(files[:n], func() { free <- memory })
		if err != nil {
			return err
		}
		if !sent { // the next block refers to the memory
			free <- nil
		}
		files = files[n:]
	}
	return nil
}

// sendChunk sends a block with definitions of files, or keeps them for the next one when they are few: bodies that are too long to be kept
// leave little. encoded is called when what they hold is not needed any more, if they were sent.
func (p *pipeline) sendChunk(files []recording.File, encoded func()) (sent bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.builder.Define(recording.Definitions{Files: files}); err != nil {
		return false, err
	}
	p.encoded = encoded
	err = p.builder.CutDefinitions(p.now())
	sent = p.encoded == nil
	p.encoded = nil
	return sent, err
}
