<?php

// The library's own tests, without a framework: php tests/run.php

declare(strict_types=1);

use Malote\Malote;
use Malote\MaloteException;
use Malote\VerificationException;
use Malote\Webhook;

require __DIR__ . '/../autoload.php';

error_reporting(E_ALL);
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if ((error_reporting() & $level) === 0) {
        return false; // silenced by @
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});

$failed = 0;
$passed = 0;

function check(string $name, callable $test): void
{
    global $failed, $passed;
    try {
        $test();
        $passed++;
    } catch (Throwable $e) {
        $failed++;
        fwrite(STDERR, "FAIL $name: " . get_class($e) . ": {$e->getMessage()} ({$e->getFile()}:{$e->getLine()})\n");
    }
}

function same(mixed $want, mixed $got, string $why = ''): void
{
    if ($want !== $got) {
        throw new RuntimeException($why . ' want ' . var_export($want, true) . ', got ' . var_export($got, true));
    }
}

/** @param class-string<Throwable> $class */
function throws(string $class, callable $call): Throwable
{
    try {
        $call();
    } catch (Throwable $e) {
        if ($e instanceof $class) {
            return $e;
        }
        throw $e;
    }
    throw new RuntimeException("no $class");
}

$vectors = json_decode((string) file_get_contents(__DIR__ . '/../../testdata/vectors.json'), true, 64, JSON_THROW_ON_ERROR);
same(true, count($vectors) > 250);
foreach ($vectors as $v) {
    check($v['name'], static function () use ($v): void {
        $body = (string) base64_decode($v['body'], true);
        $hook = new Webhook($v['secrets'], $v['dialect']);
        $got = $hook->verify($v['headers'], $body, $v['now']);
        same([$v['ok'], $v['proof'] ?? '', $v['cause'] ?? ''], [$got->ok, $got->proof, $got->cause], $got->detail);
        foreach ($v['secrets'] as $s) {
            same(false, strlen($s) > 8 && str_contains($got->detail . print_r($hook, true), $s), 'the secret is shown');
        }
        if (!$v['ok']) {
            same(true, strlen($got->detail) > 10);
            same($v['cause'], throws(VerificationException::class, static fn () => $hook->unwrap($v['headers'], $body, $v['now']))->cause);
        } elseif (isset($v['event'])) {
            $read = array_filter(get_object_vars($hook->unwrap($v['headers'], $body, $v['now'])), static fn ($x): bool => $x !== null);
            if (isset($read['time'])) {
                $read['time'] = (int) $read['time']->format('Uv');
            }
            ksort($read);
            ksort($v['event']);
            same($v['event'], $read);
        }
    });
}

check('headers come in every form', static function (): void {
    [$name, $value] = ['X-Hub-Signature-256', 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'];
    $hook = new Webhook("It's a Secret to Everybody", 'github');
    foreach ([[$name => $value], [strtolower($name) => [$value]], [[$name, $value]], new ArrayIterator([$name => $value])] as $headers) {
        same(true, $hook->verify($headers, 'Hello, World!')->ok);
    }
    throws(InvalidArgumentException::class, static fn () => new Webhook('s', 'nobody'));
    same('no_secret', (new Webhook([]))->verify([], '')->cause);
    same(true, in_array('github', array_column(Webhook::dialects(), 'name'), true));
});

/**
 * A server in a process of its own that answers from a list.
 *
 * @param list<array{int, mixed, 2?: string}> $answers
 * @param callable(Malote, callable(): list<array<string, mixed>>): void $test
 */
function served(array $answers, callable $test): void
{
    $dir = sys_get_temp_dir() . '/malote-php-' . bin2hex(random_bytes(6));
    mkdir($dir);
    file_put_contents("$dir/answers.json", json_encode($answers));
    $process = proc_open([PHP_BINARY, __DIR__ . '/server.php', $dir], [1 => ['pipe', 'w']], $pipes);
    try {
        $malote = new Malote('http://' . trim((string) fgets($pipes[1])) . '/', 'mlt_dev_x', timeout: 5);
        $test($malote, static fn (): array => array_map(static fn (string $l): array => json_decode($l, true), (array) @file("$dir/asked")));
    } finally {
        proc_terminate($process, 9);
        proc_close($process);
        array_map(unlink(...), (array) glob("$dir/*"));
        rmdir($dir);
    }
}

check('an event is repeated with the same key', static function (): void {
    served([[0, null], [503, ['detail' => 'stopping'], 'Retry-After: 0'], [202, ['id' => 'evt_1', 'deliveries' => 1]]], static function (Malote $malote, callable $asked): void {
        same('evt_1', $malote->send('a.b', 'acme', ['s' => 'ção', 'n' => 1.0])['id']);
        same(3, count($asked()));
        same(1, count(array_unique(array_column($asked(), 'body'))));
        preg_match_all('/Idempotency-Key: (\w{32})/', implode('', array_column($asked(), 'head')), $m);
        same([3, 1], [count($m[1]), count(array_unique($m[1]))]);
        same('{"type":"a.b","consumer":"acme","data":{"s":"ção","n":1.0}}', $asked()[0]['body']);
        same(true, str_contains($asked()[0]['head'], 'Authorization: Bearer mlt_dev_x'));
    });
});

check('what is not safe is not repeated, and a problem is an exception', static function (): void {
    $problem = ['type' => 'urn:malote:problem:conflict', 'title' => 'T', 'detail' => 'D', 'fix' => 'F', 'request_id' => 'req_1', 'errors' => [['detail' => 'x']]];
    $answers = [[503, []], [409, $problem], [429, [], 'Retry-After: 3600'], [302, [], 'Location: http://127.0.0.1:1/']];
    served($answers, static function (Malote $malote, callable $asked): void {
        same(503, throws(MaloteException::class, static fn () => $malote->createEndpoint(['url' => 'https://example.com']))->status);
        $e = throws(MaloteException::class, static fn () => $malote->send('a', 'b', null));
        same([409, 'conflict', 'F', 'req_1', 1], [$e->status, $e->type, $e->fix, $e->requestId, count($e->errors)]);
        same(3600.0, throws(MaloteException::class, static fn () => $malote->endpoint('ep_1'))->retryAfter);
        same(302, throws(MaloteException::class, static fn () => $malote->endpoint('ep_1'))->status);
        same(4, count($asked()));
    });
});

check('lists are walked to their end, ids are escaped', static function (): void {
    $page = static fn (array $ids, ?string $next): array => [200, ['data' => array_map(static fn ($id) => ['id' => $id], $ids), 'next_cursor' => $next]];
    served([$page(['a', 'b'], 'x y'), $page([], 'z'), $page(['c'], null), [200, ['uid' => 'u']]], static function (Malote $malote, callable $asked): void {
        $all = iterator_to_array($malote->deliveries(['state' => 'failed', 'from' => new DateTimeImmutable('1970-01-01T00:00:00Z'), 'type' => null]), false);
        same(['a', 'b', 'c'], array_column($all, 'id'));
        $malote->consumer('a/b?c');
        $want = '/v1/deliveries?state=failed&from=1970-01-01T00%3A00%3A00.000%2B00%3A00';
        same([$want, "$want&cursor=x+y", "$want&cursor=z", '/v1/consumers/a%2Fb%3Fc'], array_column($asked(), 'path'));
        throws(InvalidArgumentException::class, static fn () => $malote->deleteEndpoint(''));
        throws(InvalidArgumentException::class, static fn () => $malote->send('a', 'b', 1, "x\r\nY: 1"));
        throws(JsonException::class, static fn () => $malote->send('a', 'b', NAN));
        same(4, count($asked()));
    });
});

check('wrong options are refused, and the key is not shown', static function (): void {
    foreach ([['', 'k'], ['ftp://x', 'k'], ['http://a:b@x', 'k'], ['http://x', ''], ['http://x', 'a b'], ['http://x?y', 'k'], ['http://x', "a\n"]] as [$url, $key]) {
        throws(InvalidArgumentException::class, static fn () => new Malote($url, $key));
    }
    same(false, str_contains(print_r(new Malote('http://127.0.0.1:1', 'mlt_dev_secret'), true), 'secret'));
    same(0, throws(MaloteException::class, static fn () => (new Malote('http://127.0.0.1:1', 'k', retries: 0))->endpoint('x'))->status);
});

echo "$passed passed, $failed failed\n";
exit($failed === 0 && $passed > 250 ? 0 : 1);
