package segment

import (
	"container/list"
	"sync"
	"sync/atomic"
)

const (
	cacheShards       = 16
	defaultCacheBytes = 8 << 20
	entryOverhead     = 160 // bytes of list element, map entry and block header
)

// Cache keeps decoded blocks for point reads within a byte budget, the least recently used leave first. It may be shared by any
// number of segments and goroutines.
type Cache struct {
	shards [cacheShards]cacheShard
	nextID atomic.Uint64
}

type cacheKey struct {
	segment uint64 // number of the open segment, never reused
	block   uint32
}

type cacheShard struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	blocks map[cacheKey]*list.Element
	recent list.List // most recent first
}

type cacheEntry struct {
	key   cacheKey
	block *block
}

// NewCache returns a cache that holds about the given number of bytes.
func NewCache(bytes int64) *Cache {
	c := &Cache{}
	for i := range c.shards {
		c.shards[i].limit = bytes / cacheShards
		c.shards[i].blocks = map[cacheKey]*list.Element{}
	}
	return c
}

// Used returns the bytes held now.
func (c *Cache) Used() int64 {
	n := int64(0)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}

func (c *Cache) shard(k cacheKey) *cacheShard {
	return &c.shards[(k.segment*0x9e3779b97f4a7c15+uint64(k.block))%cacheShards]
}

func (c *Cache) get(k cacheKey) *block {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.blocks[k]
	if e == nil {
		return nil
	}
	s.recent.MoveToFront(e)
	return e.Value.(*cacheEntry).block
}

func (c *Cache) put(k cacheKey, b *block) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.size() > s.limit || s.blocks[k] != nil {
		return
	}
	s.blocks[k] = s.recent.PushFront(&cacheEntry{k, b})
	for s.used += b.size(); s.used > s.limit; {
		s.drop(s.recent.Back())
	}
}

func (s *cacheShard) drop(e *list.Element) {
	x := s.recent.Remove(e).(*cacheEntry)
	delete(s.blocks, x.key)
	s.used -= x.block.size()
}

// forget drops all blocks of a segment that closes.
func (c *Cache) forget(segment uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for k, e := range s.blocks {
			if k.segment == segment {
				s.drop(e)
			}
		}
		s.mu.Unlock()
	}
}
