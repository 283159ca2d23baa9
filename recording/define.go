package recording

import "slices"

// maxFileBody is how long the body of a source file may be. Longer ones are defined as missing.
const maxFileBody = 8 << 20

// Define adds to the run's tables. It must come before the first event that uses an id; ids of types, functions and files
// are dense from 1 and come in order, and a function's types come before it or with it. A goroutine may be defined
// again when more is known of it. The builder keeps d's contents. Large definitions go out in blocks of their own. Errors
// are CodeInvalid, or come from emit.
func (b *Builder) Define(d Definitions) error {
	if b.err != nil {
		return b.err
	}
	if b.finished {
		return Errorf(CodeInvalid, "a definition after the end of its run")
	}
	if err := b.checkDense(&d); err != nil {
		return err
	}
	own := &b.d.definitions // of the block, which may be another one soon
	own.Files, own.Types = slices.Grow(own.Files, len(d.Files)), slices.Grow(own.Types, len(d.Types))
	own.Functions = slices.Grow(own.Functions, len(d.Functions))
	for i := range d.Files {
		if err := b.defineFile(d.Files[i]); err != nil {
			return err
		}
	}
	if err := b.defineTypes(d.Types); err != nil {
		return err
	}
	b.functions = slices.Grow(b.functions, len(d.Functions))
	var l layouts // of this moment: types may follow that others mention already
	if len(d.Functions) > 0 {
		l.reset(b.types, b.run.Settings.Bounds)
	}
	for i := range d.Functions {
		if err := b.defineFunction(&d.Functions[i], &l); err != nil {
			return err
		}
	}
	for _, g := range d.Goroutines {
		if b.live[g.ID] == nil {
			b.revive(g.ID)
		}
		b.define(g)
	}
	return nil
}

func (b *Builder) checkDense(d *Definitions) error {
	for i := range d.Types {
		if d.Types[i].ID != TypeID(b.typeCount+i+1) {
			return Errorf(CodeInvalid, "type %d is defined out of order", d.Types[i].ID)
		}
	}
	for i := range d.Functions {
		if d.Functions[i].ID != FunctionID(len(b.functions)+i) {
			return Errorf(CodeInvalid, "function %d is defined out of order", d.Functions[i].ID)
		}
	}
	for i := range d.Files {
		if d.Files[i].ID != FileID(b.fileCount+i+1) {
			return Errorf(CodeInvalid, "file %d is defined out of order", d.Files[i].ID)
		}
	}
	return nil
}

// room makes sure that size more bytes of definitions fit into the block.
func (b *Builder) room(size int) error {
	if b.d.definitionBytes > 0 && b.d.definitionBytes+size > cutDefinitions {
		if err := b.seal(b.latest); err != nil {
			return err
		}
	}
	b.d.definitionBytes += size
	return nil
}

func (b *Builder) defineFile(f File) error {
	if len(f.Body) > maxFileBody {
		f.Body, f.Hash, f.Missing = nil, [32]byte{}, "larger than 8 MiB"
	}
	if err := b.room(f.encodedSize()); err != nil {
		return err
	}
	b.fileCount++
	b.d.definitions.Files = append(b.d.definitions.Files, f)
	return nil
}

func (b *Builder) defineTypes(types []Type) error {
	for i := range types {
		t := &types[i]
		if err := b.room(t.encodedSize()); err != nil {
			return err
		}
		b.typeCount++
		b.d.definitions.Types = append(b.d.definitions.Types, *t)
	}
	b.types.Add(types...)
	return nil
}

func (b *Builder) defineFunction(f *Function, l *layouts) error {
	if err := b.room(f.encodedSize()); err != nil {
		return err
	}
	b.functions = append(b.functions, functionState{
		callSize:   int32(l.imageSize(f.Params)),
		returnSize: int32(l.imageSize(f.Results)),
		errorWord:  int32(l.errorWord(f.Results)),
	})
	b.d.definitions.Functions = append(b.d.definitions.Functions, *f)
	return nil
}

// encodedSize returns about how many bytes a file takes when it is encoded; so do the others.
func (f *File) encodedSize() int { return 64 + len(f.Name) + len(f.Body) + len(f.Missing) }

func (t *Type) encodedSize() int {
	size := 32 + len(t.Name) + len(t.Package)
	for j := range t.Fields {
		size += 16 + len(t.Fields[j].Name)
	}
	return size
}

func (f *Function) encodedSize() int {
	size := 64 + len(f.Name) + len(f.Package) + len(f.Reason)
	for _, params := range [][]Param{f.Params, f.Results} {
		for i := range params {
			size += 8 + len(params[i].Name) + len(params[i].Unreadable)
		}
	}
	return size
}
