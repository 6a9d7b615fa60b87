<?php

declare(strict_types=1);

namespace Malote;

/**
 * Speaks the REST API of a Malote server with one key; docs/api.md says what
 * each call does. Lists are walked to their end, page by page, as they are
 * asked for.
 */
final class Malote
{
    private const FIRST_WAIT = 0.1; // seconds
    private const LONGEST_ASK = 10.0; // of a Retry-After that is followed
    private const AGAIN = [0, 429, 502, 503, 504];

    private readonly string $base;

    public function __construct(
        string $url,
        #[\SensitiveParameter] private readonly string $key,
        private readonly int $retries = 3,
        private readonly float $timeout = 60.0,
    ) {
        $parts = parse_url($url);
        if (!in_array($parts['scheme'] ?? '', ['http', 'https'], true) || !isset($parts['host']) || isset($parts['user']) || isset($parts['query']) || isset($parts['fragment'])) {
            throw new \InvalidArgumentException("malote: \"$url\" is not the URL of a server; write for example http://127.0.0.1:8400");
        }
        if (!preg_match('/^[!-~]+$/D', $key)) {
            throw new \InvalidArgumentException('malote: the key is missing, or holds characters that no key has; copy it again');
        }
        $this->base = rtrim($url, '/');
    }

    /** Keeps the key out of dumps. @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['url' => $this->base];
    }

    /**
     * Sends an event. Without a key of yours one is made up, so that a repeat
     * after a broken line keeps nothing twice. An empty object is new \stdClass.
     *
     * @param list<string> $channels names that endpoints may choose events by
     * @return array<string, mixed>
     */
    public function send(
        string $type,
        string $consumer,
        mixed $data,
        ?string $idempotencyKey = null,
        string|\DateTimeInterface|null $timestamp = null,
        array $channels = [],
    ): array {
        $event = ['type' => $type, 'consumer' => $consumer, 'data' => $data];
        if ($timestamp !== null) {
            $event['timestamp'] = self::text($timestamp);
        }
        if ($channels !== []) {
            $event['channels'] = $channels;
        }
        return $this->call('POST', '/v1/events', $event, $idempotencyKey ?? bin2hex(random_bytes(16)));
    }

    /**
     * Sends up to 1,000 events in one request; each has a result of its own.
     *
     * @param list<array<string, mixed>> $events
     * @return array<string, mixed>
     */
    public function sendBatch(array $events, ?string $idempotencyKey = null): array
    {
        return $this->call('POST', '/v1/events/batch', ['events' => $events], $idempotencyKey ?? bin2hex(random_bytes(16)));
    }

    /** @return array<string, mixed> */
    public function event(string $id): array
    {
        return $this->call('GET', '/v1/events/' . self::segment($id));
    }

    /**
     * @param array<string, mixed> $filter consumer, type, from, until, limit
     * @return \Generator<int, array<string, mixed>>
     */
    public function events(array $filter = []): \Generator
    {
        return $this->pages('/v1/events', $filter);
    }

    /**
     * @param array<string, mixed> $endpoint consumer, url, event_types, name, description, headers, secret, secret_type, rate_limit, concurrency,
     *     timeout, retry_schedule, channels, filter, auth, emails, enabled
     * @return array<string, mixed>
     */
    public function createEndpoint(array $endpoint): array
    {
        return $this->call('POST', '/v1/endpoints', $endpoint);
    }

    /** @return array<string, mixed> */
    public function endpoint(string $id): array
    {
        return $this->call('GET', '/v1/endpoints/' . self::segment($id));
    }

    /**
     * @param array<string, mixed> $filter consumer, state, event_type, search, limit
     * @return \Generator<int, array<string, mixed>>
     */
    public function endpoints(array $filter = []): \Generator
    {
        return $this->pages('/v1/endpoints', $filter);
    }

    /**
     * Changes what is given; null clears.
     *
     * @param array<string, mixed> $change
     * @return array<string, mixed>
     */
    public function updateEndpoint(string $id, array $change): array
    {
        return $this->call('PATCH', '/v1/endpoints/' . self::segment($id), (object) $change);
    }

    /**
     * Gives it a new signing secret. Without a key of yours one is made up, so
     * that a repeat after a broken line makes no second one.
     *
     * @param array<string, mixed> $rotation secret, secret_type, secret_overlap
     * @return array<string, mixed>
     */
    public function rotateSecret(string $id, array $rotation = [], ?string $idempotencyKey = null): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/secret/rotate', (object) $rotation, $idempotencyKey ?? bin2hex(random_bytes(16)));
    }

    /**
     * Which events an endpoint would get; changes nothing.
     *
     * @param array<string, mixed> $question endpoint_id, event_types, channels, filter, consumer, and events (samples), event_id, or type and limit
     * @return array<string, mixed>
     */
    public function previewEndpoint(array $question): array
    {
        return $this->call('POST', '/v1/endpoints/preview', (object) $question);
    }

    /** @return array<string, mixed> */
    public function deleteEndpoint(string $id): array
    {
        return $this->call('DELETE', '/v1/endpoints/' . self::segment($id));
    }

    /** @return array<string, mixed> */
    public function pauseEndpoint(string $id): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/pause');
    }

    /** @return array<string, mixed> */
    public function resumeEndpoint(string $id): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/resume');
    }

    /** Sends the dialect's test event to this endpoint alone. @return array<string, mixed> */
    public function testEndpoint(string $id): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/test');
    }

    /** @return array<string, mixed> */
    public function delivery(string $id): array
    {
        return $this->call('GET', '/v1/deliveries/' . self::segment($id));
    }

    /**
     * @param array<string, mixed> $filter event_id, endpoint_id, consumer, type, state, last_status, from, until, limit
     * @return \Generator<int, array<string, mixed>>
     */
    public function deliveries(array $filter = []): \Generator
    {
        return $this->pages('/v1/deliveries', $filter);
    }

    /**
     * Oldest first: the request as it was sent and the answer as it came.
     *
     * @return \Generator<int, array<string, mixed>>
     */
    public function attempts(string $delivery): \Generator
    {
        return $this->pages('/v1/deliveries/' . self::segment($delivery) . '/attempts', []);
    }

    /** Makes it due now; one that is over is tried once more. @return array<string, mixed> */
    public function retry(string $delivery): array
    {
        return $this->call('POST', '/v1/deliveries/' . self::segment($delivery) . '/retry');
    }

    /** @return array<string, mixed> */
    public function cancel(string $delivery): array
    {
        return $this->call('POST', '/v1/deliveries/' . self::segment($delivery) . '/cancel');
    }

    /**
     * Sends an event again: to all that got it and all of its consumer that want it today, or to one endpoint.
     *
     * @return array<string, mixed>
     */
    public function replayEvent(string $id, ?string $endpoint = null): array
    {
        return $this->call('POST', '/v1/events/' . self::segment($id) . '/replay', (object) ($endpoint === null ? [] : ['endpoint_id' => $endpoint]));
    }

    /** Sends again what failed since a time; gives the replay that does it. @return array<string, mixed> */
    public function recoverEndpoint(string $id, \DateTimeInterface|string $since): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/recover', ['since' => self::text($since)], bin2hex(random_bytes(16)));
    }

    /** Sends what it wants and never got since a time; gives the replay that does it. @return array<string, mixed> */
    public function replayMissing(string $id, \DateTimeInterface|string $since): array
    {
        return $this->call('POST', '/v1/endpoints/' . self::segment($id) . '/replay-missing', ['since' => self::text($since)], bin2hex(random_bytes(16)));
    }

    /**
     * Starts a replay in the background; with dry_run it counts, and does nothing.
     *
     * @param array<string, mixed> $replay kind (recover or missed), endpoint_id, consumer, states, event_types, from, until, dry_run
     * @return array<string, mixed>
     */
    public function createReplay(array $replay, ?string $idempotencyKey = null): array
    {
        $times = array_map(self::text(...), array_intersect_key($replay, ['from' => true, 'until' => true]));
        return $this->call('POST', '/v1/replays', (object) ($times + $replay), $idempotencyKey ?? bin2hex(random_bytes(16)));
    }

    /** @return array<string, mixed> */
    public function replay(string $id): array
    {
        return $this->call('GET', '/v1/replays/' . self::segment($id));
    }

    /**
     * @param array<string, mixed> $filter endpoint_id, consumer, state, limit
     * @return \Generator<int, array<string, mixed>>
     */
    public function replays(array $filter = []): \Generator
    {
        return $this->pages('/v1/replays', $filter);
    }

    /** @return array<string, mixed> */
    public function cancelReplay(string $id): array
    {
        return $this->call('POST', '/v1/replays/' . self::segment($id) . '/cancel');
    }

    /** @return array<string, mixed> */
    public function putConsumer(string $uid, string $name = ''): array
    {
        return $this->call('PUT', '/v1/consumers/' . self::segment($uid), ['name' => $name]);
    }

    /** @return array<string, mixed> */
    public function consumer(string $uid): array
    {
        return $this->call('GET', '/v1/consumers/' . self::segment($uid));
    }

    /** @return array<string, mixed> */
    public function deleteConsumer(string $uid): array
    {
        return $this->call('DELETE', '/v1/consumers/' . self::segment($uid));
    }

    /**
     * @param array<string, mixed> $query
     * @return \Generator<int, array<string, mixed>>
     */
    private function pages(string $path, array $query): \Generator
    {
        do {
            $given = array_filter(array_map(self::text(...), $query), static fn (string $v): bool => $v !== '');
            $page = $this->call('GET', $path . ($given === [] ? '' : '?' . http_build_query($given)));
            foreach ($page['data'] as $item) {
                yield $item;
            }
            $query['cursor'] = $page['next_cursor'] ?? '';
        } while ($query['cursor'] !== '');
    }

    private static function text(mixed $v): string
    {
        return $v instanceof \DateTimeInterface ? $v->format('Y-m-d\TH:i:s.vP') : (string) $v;
    }

    /** One segment of a path; nothing would ask for something else. */
    private static function segment(string $id): string
    {
        if ($id === '') {
            throw new \InvalidArgumentException('malote: the id is missing');
        }
        return rawurlencode($id);
    }

    /** @return array<string, mixed> */
    private function call(string $method, string $path, mixed $body = null, ?string $idempotencyKey = null): array
    {
        $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR;
        $text = $body === null ? null : json_encode($body, $flags);
        $again = $method === 'GET' || $idempotencyKey !== null;
        for ($attempt = 0;; $attempt++) {
            try {
                return $this->once($method, $path, $text, $idempotencyKey);
            } catch (MaloteException $e) {
                $wait = self::waitBefore($attempt, $e->retryAfter);
                if (!$again || !in_array($e->status, self::AGAIN, true) || $attempt >= $this->retries || $wait === null) {
                    throw $e;
                }
                usleep((int) ($wait * 1e6));
            }
        }
    }

    /** Seconds before the next try: longer each time, or as the server asks; null: it asks for too much. */
    private static function waitBefore(int $attempt, ?float $retryAfter): ?float
    {
        $wait = self::FIRST_WAIT * 2 ** $attempt * random_int(50, 150) / 100;
        if ($retryAfter === null || $retryAfter <= $wait) {
            return $wait;
        }
        return $retryAfter > self::LONGEST_ASK ? null : $retryAfter;
    }

    /** @return array<string, mixed> */
    private function once(string $method, string $path, ?string $text, ?string $idempotencyKey): array
    {
        $headers = ["Authorization: Bearer {$this->key}", 'Accept: application/json', 'User-Agent: malote-php', 'Connection: close'];
        if ($text !== null) {
            $headers[] = 'Content-Type: application/json';
        }
        if ($idempotencyKey !== null) {
            if (!preg_match('/^[ -~]+$/D', $idempotencyKey)) {
                throw new \InvalidArgumentException('malote: an idempotency key is printable ASCII');
            }
            $headers[] = "Idempotency-Key: $idempotencyKey";
        }
        $context = stream_context_create(['http' => [
            'method' => $method, 'header' => $headers, 'content' => $text ?? '', 'protocol_version' => 1.1,
            'timeout' => $this->timeout, 'ignore_errors' => true,
            'follow_location' => 0, // an API does not move; a redirect must not take the key elsewhere
        ]]);
        error_clear_last();
        $stream = @fopen($this->base . $path, 'r', false, $context);
        if ($stream === false) {
            throw new MaloteException("$method $path: no answer: " . (error_get_last()['message'] ?? 'unknown'));
        }
        $answer = (string) stream_get_contents($stream);
        $meta = stream_get_meta_data($stream);
        fclose($stream);
        [$status, $retryAfter, $length] = self::head($meta['wrapper_data'] ?? []);
        if ($meta['timed_out'] || $status === 0 || $length !== null && strlen($answer) < $length) {
            throw new MaloteException("$method $path: the answer ended early");
        }
        $json = json_decode($answer, true, 512, JSON_BIGINT_AS_STRING);
        if ($status >= 200 && $status <= 299 && is_array($json)) {
            return $json;
        }
        $problem = is_array($json) ? $json : [];
        $why = ($problem['detail'] ?? '') ?: (($problem['title'] ?? '') ?: 'the answer is not what this library knows');
        throw new MaloteException("$method $path: $status: $why", $status, $problem, $retryAfter);
    }

    /**
     * Status, Retry-After and Content-Length of an answer.
     *
     * @param list<string> $lines
     * @return array{int, ?float, ?int}
     */
    private static function head(array $lines): array
    {
        [$status, $retryAfter, $length] = [0, null, null];
        foreach ($lines as $line) {
            if (preg_match('~^HTTP/\S+ (\d{3})~', $line, $m)) {
                [$status, $retryAfter, $length] = [(int) $m[1], null, null];
            } elseif (preg_match('/^Retry-After:\s*(\d{1,9})\s*$/i', $line, $m)) {
                $retryAfter = (float) $m[1];
            } elseif (preg_match('/^Content-Length:\s*(\d{1,15})\s*$/i', $line, $m)) {
                $length = (int) $m[1];
            }
        }
        return [$status, $retryAfter, $length];
    }
}
