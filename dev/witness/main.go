// Command submit sends the checkpoint of a log in a folder to a witness, and verifies what it answers with torchwood and
// golang.org/x/mod/sumdb, which know nothing of Daulat:
//
//	submit DIR OLD URL LOG_VKEY WITNESS_NAME WITNESS_PUBLIC_KEY
//
// OLD is the size that the witness is said to know; the public key is 32 bytes of Ed25519 in base64. It prints the status, and the
// body where that isn't 200.
package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: submit DIR OLD URL LOG_VKEY WITNESS_NAME WITNESS_PUBLIC_KEY")
		os.Exit(2)
	}
	if err := submit(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func submit(dir, old, url, vkey, name, key string) error {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	witness, err := cosignatures(name, key)
	if err != nil {
		return err
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(log))
	if err != nil {
		return err
	}
	head, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(old, 10, 64)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", size)
	if size > 0 && size < head.N {
		proof, err := tlog.ProveTree(head.N, size, tlog.TileHashReader(head.Tree, folder(dir)))
		if err != nil {
			return err
		}
		for _, hash := range proof {
			fmt.Fprintln(&body, hash)
		}
	}
	fmt.Fprintln(&body)
	body.Write(signed)
	response, err := http.Post(url+"/add-checkpoint", "", &body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Println(response.StatusCode)
	if response.StatusCode != http.StatusOK {
		fmt.Printf("%s", lines)
		return nil
	}
	cosigned, err := note.Open([]byte(opened.Text+"\n"+string(lines)), note.VerifierList(witness))
	if err != nil {
		return err
	}
	if len(cosigned.Sigs) != 1 || cosigned.Text != opened.Text {
		return fmt.Errorf("not one cosignature of the checkpoint: %q", lines)
	}
	_, err = torchwood.CosignatureTimestamp(cosigned.Sigs[0])
	return err
}

// cosignatures returns the verifier of a witness. The library makes one from a private key's public half alone.
func cosignatures(name, key string) (note.Verifier, error) {
	public, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("not a public key")
	}
	signer, err := torchwood.NewCosignatureSigner(name, verifying(public))
	if err != nil {
		return nil, err
	}
	return signer.Verifier(), nil
}

type verifying ed25519.PublicKey

func (v verifying) Public() crypto.PublicKey { return ed25519.PublicKey(v) }

func (v verifying) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("only a public key")
}

// folder is a tlog.TileReader.
type folder string

func (f folder) Height() int { return torchwood.TileHeight }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), torchwood.TilePath(tile)))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
