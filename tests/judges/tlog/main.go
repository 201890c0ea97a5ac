// Judges a log by the Go project's own checksum-database libraries: its checkpoint, every tile, the inclusion of every
// leaf, and that it continues itself from several older sizes.
//
// Usage: main PREFIX VKEY. The only thing that is not stock is the path of a tile: C2SP tlog-tiles leaves the height out.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type files struct {
	prefix string
	kept   map[string][]byte
}

func (f *files) get(path string) []byte {
	if known, ok := f.kept[path]; ok {
		return known
	}
	answer, err := http.Get(f.prefix + "/" + path)
	must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(err)
	if answer.StatusCode != 200 {
		fail("%s: %s", path, answer.Status)
	}
	f.kept[path] = body
	return body
}

// tilePath drops the height from `tile/8/0/000`, and calls data what C2SP calls entries.
func tilePath(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

func (f *files) Height() int { return height }

func (f *files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		all = append(all, f.get(tilePath(t)))
	}
	return all, nil
}

func (f *files) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *files) leaf(index, size int64) []byte {
	t := tlog.Tile{H: height, L: -1, N: index >> height, W: 1 << height}
	if rest := size - t.N<<height; rest < 1<<height {
		t.W = int(rest)
	}
	bundle := f.get(tilePath(t))
	for i := t.N << height; ; i++ {
		n := int(binary.BigEndian.Uint16(bundle))
		entry := bundle[2 : 2+n]
		bundle = bundle[2+n:]
		if i == index {
			return entry
		}
	}
}

func main() {
	f := &files{prefix: os.Args[1], kept: map[string][]byte{}}
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	signed, err := note.Open(f.get("checkpoint"), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(signed.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var root tlog.Hash
	copy(root[:], raw)
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, f)

	for i := int64(0); i < size; i++ {
		proof, err := tlog.ProveRecord(size, i, hashes)
		must(err)
		must(tlog.CheckRecord(proof, size, root, i, tlog.RecordHash(f.leaf(i, size))))
	}
	grown := 0
	for _, old := range []int64{1, 2, 3, 255, 256, 257, 300, 511, 512, 513, size - 1, size} {
		if old < 1 || old > size {
			continue
		}
		before, err := tlog.TreeHash(old, hashes)
		must(err)
		proof, err := tlog.ProveTree(size, old, hashes)
		must(err)
		must(tlog.CheckTree(proof, size, root, old, before))
		grown++
	}
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"origin": lines[0], "leaves": size, "grown": grown, "files": len(f.kept),
	}))
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(form string, what ...any) {
	fmt.Fprintf(os.Stderr, form+"\n", what...)
	os.Exit(1)
}
