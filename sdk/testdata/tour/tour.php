<?php

// Goes through all of the client against a real server. RECEIVER is a URL
// that answers 200.

declare(strict_types=1);

use Malote\Malote;
use Malote\MaloteException;

require __DIR__ . '/../../php/autoload.php';

function must(bool $ok, string $what): void
{
    if (!$ok) {
        throw new RuntimeException($what);
    }
}

function refused(int $status, string $type, callable $call): void
{
    try {
        $call();
    } catch (MaloteException $e) {
        must($e->status === $status && $e->type === $type && $e->fix !== '', "$e->status $e->type");
        return;
    }
    must(false, 'not refused');
}

$malote = new Malote((string) getenv('MALOTE_URL'), (string) getenv('MALOTE_KEY'));
$url = (string) getenv('RECEIVER');
$e = $malote->createEndpoint(['consumer' => 'tour-php', 'url' => $url, 'event_types' => ['tour.*'], 'headers' => ['X-Tour' => '1']]);
must($e['id'] !== '' && $e['secret'] !== '' && $e['state'] === 'active', 'create');
must($malote->endpoint($e['id'])['url'] === $url, 'get');
must(array_column(iterator_to_array($malote->endpoints(['consumer' => 'tour-php', 'limit' => 1]), false), 'id') === [$e['id']], 'list');
must($malote->updateEndpoint($e['id'], ['description' => 'ção', 'headers' => ['X-Tour' => null]])['description'] === 'ção', 'update');
$own = ['concurrency' => 2, 'timeout' => 5, 'retry_schedule' => [60, 300], 'channels' => ['store-7'], 'filter' => 'data.n > 0.5'];
$settled = $malote->updateEndpoint($e['id'], $own + ['auth' => ['type' => 'bearer', 'token' => 't0ken']]);
must(array_intersect_key($settled, $own) === $own && $settled['auth'] === ['type' => 'bearer', 'token' => '[redacted]'], 'settings');
$samples = [['type' => 'tour.a', 'data' => ['n' => 2], 'channels' => ['store-7']], ['type' => 'tour.a', 'data' => ['n' => 2]]];
must(array_column($malote->previewEndpoint(['endpoint_id' => $e['id'], 'events' => $samples])['results'], 'reason') === [null, 'channel'], 'preview');
$rotated = $malote->rotateSecret($e['id'], ['secret_overlap' => 60], 'tour-php-r');
must($malote->rotateSecret($e['id'], ['secret_overlap' => 60], 'tour-php-r')['secret'] === $rotated['secret'], 'rotate');
must(array_column(iterator_to_array($malote->endpoints(['state' => 'active', 'event_type' => 'tour.a', 'search' => $url]), false), 'id') === [$e['id']], 'search');
must($malote->pauseEndpoint($e['id'])['state'] === 'paused', 'pause');
must($malote->resumeEndpoint($e['id'])['state'] === 'active', 'resume');
must($malote->testEndpoint($e['id'])['deliveries'] === 1, 'test');

$data = ['text' => 'João & "日本"', 'n' => 1.0, 'empty' => new stdClass()];
$sent = $malote->send('tour.began', 'tour-php', $data, 'tour-php-1', channels: ['store-7']);
must($sent['deliveries'] === 1, 'send');
$again = $malote->send('tour.began', 'tour-php', $data, 'tour-php-1', channels: ['store-7']);
must($again['id'] === $sent['id'] && $again['duplicate'], 'duplicate');
refused(409, 'idempotency-key-reused', fn () => $malote->send('tour.began', 'tour-php', 2, 'tour-php-1'));
must($malote->event($sent['id'])['data'] === ['text' => 'João & "日本"', 'n' => 1.0, 'empty' => []], 'event');
must(in_array($sent['id'], array_column(iterator_to_array($malote->events(['consumer' => 'tour-php', 'type' => 'tour.began']), false), 'id'), true), 'events');
$event = ['type' => 'tour.began', 'consumer' => 'tour-php', 'data' => $data, 'channels' => ['store-7']];
$batch = $malote->sendBatch([$event, ['type' => 'not a type'] + $event]);
must([$batch['accepted'], $batch['refused']] === [1, 1], 'batch');

[$delivery] = iterator_to_array($malote->deliveries(['event_id' => $sent['id']]), false);
for ($tries = 0; $malote->delivery($delivery['id'])['state'] !== 'delivered'; $tries++) {
    must($tries < 500, 'not delivered');
    usleep(20_000);
}
must($malote->attempts($delivery['id'])->current()['response']['status'] === 200, 'attempts');
refused(409, 'conflict', fn () => $malote->cancel($delivery['id']));
must($malote->retry($delivery['id'])['state'] === 'pending', 'retry');
must($malote->replayEvent($sent['id'], $e['id']) === ['event_id' => $sent['id'], 'again' => [$delivery['id']], 'new' => []], 'replay');
$since = new DateTimeImmutable('-1 hour');
must($malote->createReplay(['kind' => 'missed', 'endpoint_id' => $e['id'], 'from' => $since, 'dry_run' => true]) === ['dry_run' => ['matched' => 0, 'more' => false]], 'dry run');
$replays = [$malote->recoverEndpoint($e['id'], $since), $malote->replayMissing($e['id'], $since)];
foreach ($replays as $r) {
    for ($tries = 0; $malote->replay($r['id'])['state'] !== 'done'; $tries++) {
        must($tries < 500, 'not done');
        usleep(20_000);
    }
    refused(409, 'conflict', fn () => $malote->cancelReplay($r['id']));
}
must(array_column(iterator_to_array($malote->replays(['endpoint_id' => $e['id'], 'limit' => 1]), false), 'id') === array_column(array_reverse($replays), 'id'), 'replays');
must($malote->putConsumer('tour-php', 'Tour')['name'] === 'Tour', 'put consumer');
must($malote->consumer('tour-php')['name'] === 'Tour', 'get consumer');
must($malote->deleteEndpoint($e['id'])['deleted'] === true, 'delete');
refused(404, 'not-found', fn () => $malote->endpoint($e['id']));
echo "all done\n";
